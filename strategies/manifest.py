"""Manifest: every rank writes its files into the final directory, and a manifest that is written last makes it one.

A remedy that needs no rename of a directory. Rank 0 makes a directory that was not there and tells its name to the
others, who write and sync their files and report sizes and checksums. When all have reported, rank 0 writes the
manifest by temporary file, sync and rename. Barrier. Rank 0 deletes what is no longer kept, the manifest first. Readers
trust the manifest only: a directory without one is not there, files that it does not name are not there, ``pick`` takes
the newest of which every file has its size, and ``load`` compares checksums. Rank 0 picks for all.

Why it holds, wherever the job dies:
- before the manifest's rename the directory has none and is never picked; the older checkpoints are untouched;
- the rename publishes all files at once: every rank synced its own before it reported, and rank 0 writes the manifest
  only after the last report, and syncs the name of the directory too;
- after it the new checkpoint is picked, and ``save`` returns nowhere before the barrier that follows. Older ones are
  deleted only later, each losing its manifest, durably, before it loses a file;
- a rank that is killed keeps the others in a collective, so that no manifest names files that were not written;
- directories without a manifest are garbage: rank 0 deletes them at the start of the next save, and in ``recover`` with
  all that rotation had not come to, once the directory that is resumed from is synced: rank 0 may have died before it
  was. No directory is written into twice, so an old manifest never vouches for new files.

What it does not protect from: a rank that dies or meets a full disk leaves the others waiting in a collective, which is
the launcher's business; power loss with ``fsync=False`` (``pick`` then passes over a checkpoint with missing or shorter
files; other damage makes ``load`` raise); two jobs that save into one directory; a job that loads an old
checkpoint just while rotation deletes it; nodes without a shared directory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from strategies.durable import manifest as manifests
from strategies.durable.files import remove, save_shards, sync
from strategies.durable.names import checkpoints, directories, new_name, retained

if TYPE_CHECKING:
    from simulator.state import State, StrategyRank


class ManifestLast:
    """The protocol. ``fsync=False`` leaves the syncing out, for file systems that do not need it."""

    def __init__(self, fsync: bool = True) -> None:
        self.fsync = fsync

    def save(self, rank: StrategyRank, state: State, step: int) -> None:
        leader = rank.index == 0
        name = str(rank.broadcast(_begin(rank.root, step) if leader else None))
        directory = rank.root / name
        save_shards(state.shards, directory, self.fsync)
        written = {
            shard.name: manifests.Entry(size=os.stat(directory / shard.name).st_size, checksum=shard.checksum())
            for shard in state.shards
        }
        reports = rank.gather(written)
        if leader:
            if self.fsync:
                sync(rank.root)
            files = manifests.merged(reports)
            manifests.write(directory, manifests.Manifest(step=step, files=files), self.fsync)
        rank.barrier()
        if leader:
            self._rotate(rank.root, name, state)

    def pick(self, rank: StrategyRank) -> Path | None:
        newest = rank.broadcast(manifests.newest_intact(rank.root) if rank.index == 0 else None)
        return None if newest is None else rank.root / str(newest)

    def load(self, rank: StrategyRank, checkpoint: Path) -> State:
        return manifests.load_verified(rank, checkpoint)

    def recover(self, rank: StrategyRank, checkpoint: Path, state: State) -> None:
        """Delete what a dead attempt left: directories without a manifest, and what rotation had not come to.

        The manifest that is resumed from is made durable first: rank 0 may have died before it had done that.
        """
        if rank.index == 0:
            if self.fsync:
                sync(checkpoint)
            self._rotate(rank.root, checkpoint.name, state)

    def _rotate(self, root: Path, newest: str, state: State) -> None:
        published = _sweep(root, directories(root))
        kept = retained(published, newest, state.keep, state.best_step)
        for name in published:
            if name not in kept:
                manifests.withdraw(root / name, self.fsync)
                remove(root / name)


def _begin(root: Path, step: int) -> str:
    """Make the directory of a save, after those of dead attempts were deleted, and give its name."""
    names = directories(root)
    _sweep(root, names)
    name = new_name(step, checkpoints(names))
    os.mkdir(root / name)
    return name


def _sweep(root: Path, names: list[str]) -> list[str]:
    """Delete the directories that have no manifest, and give the names of those that have one, oldest first."""
    published = manifests.published(root, names)
    for name in checkpoints(names):
        if name not in published:
            remove(root / name)
    return list(published)
