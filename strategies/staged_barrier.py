"""Staged save with barriers: one agreed temporary directory, one rename by one rank, a barrier before and after it.

A remedy for the races of transformers 4.36 to 4.49.0.dev0. Rank 0 makes a staging directory with a random name and
tells it to the others, who write their files there and sync them. Barrier. Rank 0 renames the directory to
``checkpoint-N`` and syncs the parent. Barrier. Rank 0 deletes what is no longer kept, by a rename to a name that nobody
picks, and then file by file. ``pick`` lets rank 0 look and tell the others: no rank's own view of the directory decides
anything.

Why it holds, wherever the job dies:
- before the rename only a staging directory has grown, which is never picked; the older checkpoints are untouched;
- the rename publishes all files at once: every rank has synced its own before the first barrier;
- after the rename the new checkpoint is picked. ``save`` returns nowhere before the second barrier, so it has been
  published durably by then, and older ones are deleted only later;
- a checkpoint loses its name, durably, before it loses a file; what remains of it is garbage;
- a rank that is killed keeps the others in the next barrier, where rank 0 can at most publish what is complete;
- garbage (``staging-...``, ``removing-...``) is deleted by rank 0 at the start of the next save, and in ``recover``
  with all that rotation had not come to, once the parent is synced: rank 0 may have died between rename and sync. A
  step that is saved once more gets a new name beside the old one.

What it does not protect from: a rank that dies or meets a full disk leaves the others waiting in a collective, which is
the launcher's business; power loss with ``fsync=False``; two jobs that save into one directory; a job that loads an old
checkpoint just while rotation deletes it; nodes without a shared directory; a file system whose rename of a directory
is not atomic, or is reported as failed although it was done (a request that NFS sends twice).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from strategies.durable.files import remove, save_shards, sync
from strategies.durable.names import checkpoints, directories, new_name, place, retained
from strategies.durable.staging import STAGING, leftovers, publish, retire

if TYPE_CHECKING:
    from simulator.state import State, StrategyRank


class StagedBarrier:
    """The protocol. ``fsync=False`` leaves the syncing out, for file systems that do not need it."""

    def __init__(self, fsync: bool = True) -> None:
        self.fsync = fsync

    def save(self, rank: StrategyRank, state: State, step: int) -> None:
        leader = rank.index == 0
        staging = rank.root / str(rank.broadcast(_stage(rank.root, step) if leader else None))
        save_shards(state.shards, staging, self.fsync)
        rank.barrier()
        names = checkpoints(directories(rank.root)) if leader else []
        name = new_name(step, names)
        if leader:
            publish(staging, name, self.fsync)
        rank.barrier()
        if leader:
            retire(rank.root, set(names) - retained(names, name, state.keep, state.best_step), self.fsync)

    def pick(self, rank: StrategyRank) -> Path | None:
        names = checkpoints(directories(rank.root)) if rank.index == 0 else []
        newest = rank.broadcast(names[-1] if names else None)
        return None if newest is None else rank.root / str(newest)

    def load(self, rank: StrategyRank, checkpoint: Path) -> State:
        state = rank.fresh_state(place(checkpoint.name)[0])
        for shard in state.shards:
            shard.load(checkpoint / shard.name)
        return state

    def recover(self, rank: StrategyRank, checkpoint: Path, state: State) -> None:
        """Delete what a dead attempt left: unfinished directories, and checkpoints that rotation had not come to.

        The one that is resumed from is published durably first: rank 0 may have died before it had done that.
        """
        if rank.index == 0:
            if self.fsync:
                sync(rank.root)
            names = directories(rank.root)
            _clear(rank.root, names)
            kept = retained(checkpoints(names), checkpoint.name, state.keep, state.best_step)
            retire(rank.root, set(checkpoints(names)) - kept, self.fsync)


def _stage(root: Path, step: int) -> str:
    """Make a staging directory, after those of dead attempts were deleted, and give its name."""
    _clear(root, directories(root))
    name = f"{STAGING}checkpoint-{step}-{os.urandom(4).hex()}"
    os.mkdir(root / name)
    return name


def _clear(root: Path, names: list[str]) -> None:
    for name in leftovers(names):
        remove(root / name)
