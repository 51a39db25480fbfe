"""A directory per node: each node publishes what its ranks wrote, and a restart takes what every node has published.

A remedy for nodes that share no directory, or had better not share one. Below ``node-K`` the ranks of node K work as in
``staged-barrier``, the first of them as leader, but the barriers are those of the whole job: no node publishes before
all files of all nodes are written and synced, and none deletes before every node has published. The nodes still publish
at different moments, so ``pick`` gathers what each has and takes the newest that *all* have. A rank needs files that
another node wrote (the model); ``load`` hands those around from a rank that could read them.

Why it holds, wherever the job dies:
- until the last node has published, the checkpoint before is still on every node, and is picked;
- from then on the new one is picked, and ``save`` has returned nowhere before that. Deletion comes after the barrier
  that follows, and takes on every node the same names away, each by a rename first;
- a checkpoint that only some nodes have is never picked. The next save starts by exchanging names: each leader deletes
  what not every node has before it comes to the first barrier, thus before any node publishes again, and the new name
  is one that no node has. So parts of two saves are never taken for one;
- a rank that is killed keeps the others in the next collective. Garbage is deleted at the start of the next save, and
  in ``recover`` with all that rotation had not come to, once every node has synced its directory and told its names.

What it does not protect from: a restart without one of the nodes' disks, on other nodes, or with the nodes in another
order; a file that only ranks of another node than its writer's need; a rank that dies or meets a full disk leaves the
others waiting in a collective, which is the launcher's business; power loss with ``fsync=False``; two jobs that save
into one directory; a job that loads an old checkpoint just while rotation deletes it; a file system whose rename of a
directory is not atomic, or is reported as failed although it was done.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from strategies.durable.files import make_directory, remove, save_shards, sync
from strategies.durable.names import checkpoints, directories, new_name, place, retained
from strategies.durable.staging import STAGING, leftovers, publish, retire

if TYPE_CHECKING:
    from simulator.state import Shard, State, StrategyRank


class PerNodeDirectories:
    """The protocol. ``fsync=False`` leaves the syncing out, for file systems that do not need it."""

    def __init__(self, fsync: bool = True) -> None:
        self.fsync = fsync

    def save(self, rank: StrategyRank, state: State, step: int) -> None:
        home, leader = _home(rank), rank.local_index == 0
        if leader:
            make_directory(home)
            if self.fsync:
                sync(rank.root)
        names = directories(home) if leader else []
        survey = _survey(rank, names)
        name = new_name(step, survey.anywhere)
        staging = home / f"{STAGING}{name}-{survey.token}"
        if leader:
            self._clear(home, names, survey)
        make_directory(staging)
        save_shards(state.shards, staging, self.fsync)
        rank.barrier()
        if leader:
            publish(staging, name, self.fsync)
        rank.barrier()
        if leader:
            kept = retained(survey.everywhere, name, state.keep, state.best_step)
            retire(home, survey.everywhere - kept, self.fsync)

    def pick(self, rank: StrategyRank) -> Path | None:
        home, leader = _home(rank), rank.local_index == 0
        found = directories(home) if leader and os.path.isdir(home) else []
        names = checkpoints(_survey(rank, found).everywhere)
        return home / names[-1] if names else None

    def load(self, rank: StrategyRank, checkpoint: Path) -> State:
        """Raises FileNotFoundError for a file that no rank could read."""
        state = rank.fresh_state(place(checkpoint.name)[0])
        missing = []
        for shard in state.shards:
            try:
                shard.load(checkpoint / shard.name)
            except FileNotFoundError:
                missing.append(shard)
        _hand_around(rank, state.shards, missing)
        for shard in missing:
            if shard.loaded is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(checkpoint / shard.name))
        return state

    def recover(self, rank: StrategyRank, checkpoint: Path, state: State) -> None:
        """Delete what a dead attempt left: what not every node has, and checkpoints that rotation had not come to.

        What every node has is published durably on all of them before any deletes, as after the barrier of a save: a
        leader may have died before it had synced.
        """
        home, leader = _home(rank), rank.local_index == 0
        if leader and self.fsync:
            sync(home)
        names = directories(home) if leader else []
        survey = _survey(rank, names)
        if leader:
            self._clear(home, names, survey)
            kept = retained(survey.everywhere, checkpoint.name, state.keep, state.best_step)
            retire(home, survey.everywhere - kept, self.fsync)

    def _clear(self, home: Path, names: list[str], survey: _Survey) -> None:
        """Delete what an unfinished save or deletion left in a node's directory.

        ``names`` was listed before the survey: the staging directory of the save that begins is not among them.
        """
        for name in leftovers(names):
            remove(home / name)
        retire(home, set(checkpoints(names)) - survey.everywhere, self.fsync)


class _Survey(NamedTuple):
    """What the nodes have published, and a token that rank 0 drew for a save that begins."""

    everywhere: set[str]
    anywhere: set[str]
    token: str


def _survey(rank: StrategyRank, names: list[str]) -> _Survey:
    """Exchange the names of the nodes' checkpoints; the first rank of each node gives the names of its directory.

    By way of rank 0: what everybody would tell everybody grows with the square of the ranks.
    """
    answers = rank.gather(checkpoints(names))
    survey = None
    if answers is not None:
        by_node = [set(cast("list[str]", found)) for found in answers[:: rank.ranks_per_node]]
        survey = (set.intersection(*by_node), set.union(*by_node), os.urandom(4).hex())
    return _Survey(*cast("tuple[set[str], set[str], str]", rank.broadcast(survey)))


def _hand_around(rank: StrategyRank, shards: list[Shard], missing: list[Shard]) -> None:
    """Give every rank the content that it misses from a rank that has read it, as a broadcast of weights does."""
    lists = rank.gather([shard.name for shard in missing])
    names = {name for found in lists or () for name in cast("list[str]", found)}
    wanted = cast("set[str]", rank.broadcast(names))
    if not wanted:
        return
    offers = rank.gather({s.name: s.loaded for s in shards if s.name in wanted and s.loaded is not None})
    found = {name: content for offer in offers or () for name, content in cast("dict[str, object]", offer).items()}
    contents = cast("dict[str, object]", rank.broadcast(found))
    for shard in missing:
        shard.loaded = contents.get(shard.name)  # type: ignore[assignment]


def _home(rank: StrategyRank) -> Path:
    return rank.root / f"node-{rank.node}"
