"""Programs of two ranks that save checkpoint 1 safely, then checkpoint 2 in some way, each with a file of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from simulator.rank import Rank

Saver = Callable[[Rank], None]


def newest(root: Path) -> Path | None:
    """What a restart takes."""
    names = sorted(name for name in os.listdir(root) if name.startswith("ckpt-"))
    return root / names[-1] if names else None


def newest_marked(root: Path) -> Path | None:
    """What a restart takes that believes in markers."""
    names = sorted(name for name in os.listdir(root) if name.startswith("ckpt-"))
    marked = [name for name in names if "DONE" in os.listdir(root / name)]
    return root / marked[-1] if marked else None


def write(path: Path, text: str, synced: bool) -> None:
    with open(path, "w") as file:
        file.write(text)
        if synced:
            file.flush()
            os.fsync(file.fileno())


def sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def publish(rank: Rank, step: int, *, files: bool = True, staging: bool = True, parent: bool = True) -> None:
    """Staged: every rank its file, then one rename. What is synced can be left out."""
    tmp, final = rank.root / "tmp", rank.root / f"ckpt-{step}"
    if rank.index == 0:
        os.mkdir(tmp)
    rank.barrier()
    write(tmp / f"shard-{rank.index}", f"step {step} of rank {rank.index}", files)
    rank.barrier()
    if rank.index == 0:
        if staging:
            sync(tmp)
        os.rename(tmp, final)
        if parent:
            sync(rank.root)
    rank.barrier()


def mark(rank: Rank, step: int, *, files: bool = True) -> None:
    """In place: every rank its file, then a marker that is synced."""
    final = rank.root / f"ckpt-{step}"
    if rank.index == 0:
        os.mkdir(final)
        sync(rank.root)
    rank.barrier()
    write(final / f"shard-{rank.index}", f"step {step} of rank {rank.index}", files)
    rank.barrier()
    if rank.index == 0:
        if files:
            sync(final)
        write(final / "DONE", "", True)
        sync(final)
    rank.barrier()


def delete(rank: Rank, step: int) -> None:
    """Takes the name away, durably, before the files."""
    if rank.index == 0:
        os.rename(rank.root / f"ckpt-{step}", rank.root / "removing")
        sync(rank.root)
        shutil.rmtree(rank.root / "removing")


def safe(rank: Rank) -> None:
    publish(rank, 1)
    rank.saved(1)
    publish(rank, 2)
    rank.saved(2)
    delete(rank, 1)


def safe_marker(rank: Rank) -> None:
    mark(rank, 1)
    rank.saved(1)
    mark(rank, 2)
    rank.saved(2)


def files_not_synced(rank: Rank) -> None:
    publish(rank, 1)
    publish(rank, 2, files=False)


def nothing_synced(rank: Rank) -> None:
    publish(rank, 1)
    publish(rank, 2, files=False, staging=False, parent=False)


def deleted_before_published(rank: Rank) -> None:
    """Files and directory are synced, but not the new name, when the old checkpoint goes."""
    publish(rank, 1)
    publish(rank, 2, parent=False)
    if rank.index == 0:
        shutil.rmtree(rank.root / "ckpt-1")


def marker_before_shards(rank: Rank) -> None:
    mark(rank, 1)
    mark(rank, 2, files=False)
