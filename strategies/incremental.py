"""Incremental: a shard whose content has not changed since the last checkpoint is not written again.

As ``manifest``: a directory of its own for every save, a manifest that is written last and names every file with size
and checksum, readers that trust the manifest only, rank 0 picks for all. Before the save the ranks tell rank 0 the
checksums of their shards, and it tells them which of these the newest checkpoint holds. A shard with a checksum that
is among those is linked into the new directory (a second name of the same file, no copy), or with ``hard_links=False``
only named in the new manifest at the place where it lies; where a link is refused it is written. So one file may belong
to several checkpoints, and deletion minds that.

Why it holds, wherever the job dies: everything that the text of ``manifest`` says, and besides
- what is linked or named belongs to the newest checkpoint, which rotation never deletes and which is on disk as a
  whole, durably: its own save ended with that. Rank 0 looks only after its own last rotation, and no rank links before
  rank 0 has told it what there is;
- a file with a second name outlives its first one (link(2));
- a file that is only named lies in a directory that may lose its manifest. Deletion takes a checkpoint's manifest
  first, durably, and then those of its files that no remaining manifest names; so does the sweep of directories
  without a manifest. Directories are never written into twice, so a file that is named stays what it was;
- a link or a name that no manifest vouches for yet keeps nothing alive: it is garbage like the rest of its directory.

What it does not protect from: what ``manifest`` does not protect from; a file that is damaged after it was written is
damaged in every checkpoint that shares it; deleting directories by hand with ``hard_links=False``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from strategies.durable import manifest as manifests
from strategies.durable.files import make_parents, remove, save_shards, sync, sync_parents
from strategies.durable.names import checkpoints, directories, new_name, retained

if TYPE_CHECKING:
    from simulator.state import Shard, State, StrategyRank


class Incremental:
    """The protocol.

    ``hard_links=False`` names unchanged files instead of linking them, for file systems without hard links.
    ``fsync=False`` leaves the syncing out, for file systems that do not need it.
    """

    workload: ClassVar[Mapping[str, bool]] = {"frozen": True}
    """A shard that never changes: with none, nothing would ever be reused."""

    def __init__(self, hard_links: bool = True, fsync: bool = True) -> None:
        self.hard_links = hard_links
        self.fsync = fsync

    def save(self, rank: StrategyRank, state: State, step: int) -> None:
        leader = rank.index == 0
        checksums = rank.gather([shard.checksum() for shard in state.shards])
        plan = rank.broadcast(_begin(rank.root, step, _united(checksums)) if leader else None)
        name, known = cast("tuple[str, dict[str, str]]", plan)
        directory = rank.root / name
        reports = rank.gather(self._write(state, directory, known))
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

    def _write(self, state: State, directory: Path, known: dict[str, str]) -> dict[str, manifests.Entry]:
        """Write or reuse each shard; ``known`` tells by checksum where a content lies, relative to the root."""
        entries: dict[str, manifests.Entry] = {}
        changed: list[Shard] = []
        linked: list[Path] = []
        for shard in state.shards:
            source, path = known.get(shard.checksum()), directory / shard.name
            if source is not None and self.hard_links and _link(directory.parent / source, path, directory):
                linked.append(path)
            elif source is not None and not self.hard_links:
                size = os.stat(directory.parent / source).st_size
                entries[shard.name] = {"size": size, "checksum": shard.checksum(), "path": os.path.join("..", source)}
            else:
                changed.append(shard)
        save_shards(changed, directory, self.fsync)
        if self.fsync:
            sync_parents(linked, directory)
        for shard in state.shards:
            if shard.name not in entries:
                size = os.stat(directory / shard.name).st_size
                entries[shard.name] = {"size": size, "checksum": shard.checksum()}
        return entries

    def _rotate(self, root: Path, newest: str, state: State) -> None:
        published = manifests.published(root, directories(root))
        kept = retained(published, newest, state.keep, state.best_step)
        for name in published:
            if name not in kept:
                manifests.withdraw(root / name, self.fsync)
        _sweep(root, directories(root))


def _united(checksums: list[object] | None) -> set[str]:
    return {checksum for found in checksums or () for checksum in cast("list[str]", found)}


def _begin(root: Path, step: int, wanted: set[str]) -> tuple[str, dict[str, str]]:
    """Make the directory of a save; give its name and where the newest checkpoint has files of the checksums wanted.

    All that it has would be too much to tell: everybody would be told something of everybody.
    """
    names = directories(root)
    published = _sweep(root, names)
    name = new_name(step, checkpoints(names))
    os.mkdir(root / name)
    known: dict[str, str] = {}
    for newest, manifest in reversed(published.items()):
        if manifests.is_intact(root / newest, manifest):
            for file, entry in manifest["files"].items():
                if entry["checksum"] not in wanted:
                    continue
                path = manifests.location(root / newest, file, entry)
                known[entry["checksum"]] = str(path.relative_to(root))
            break
    return name, known


def _sweep(root: Path, names: list[str]) -> dict[str, manifests.Manifest]:
    """Delete, of the directories without a manifest, the files that no manifest names. Gives the manifests."""
    published = manifests.published(root, names)
    named = {
        manifests.location(root / name, file, entry)
        for name, manifest in published.items()
        for file, entry in manifest["files"].items()
    }
    for name in checkpoints(names):
        if name not in published:
            _delete_unnamed(root / name, named)
    return published


def _delete_unnamed(directory: Path, named: set[Path]) -> None:
    """Delete what nobody names; like ``files.remove``, as far as that is possible."""
    if not any(path.is_relative_to(directory) for path in named):
        remove(directory)
        return
    for top, _, files in os.walk(directory, topdown=False):
        for file in files:
            if Path(top, file) not in named:
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(top, file))
        with contextlib.suppress(OSError):  # not empty: it holds what is named
            os.rmdir(top)


def _link(source: Path, path: Path, top: Path) -> bool:
    """Give a file a second name; False where that is refused (no hard links here, too many, another device)."""
    make_parents(path, top)
    try:
        os.link(source, path)
    except OSError:
        return False
    return True
