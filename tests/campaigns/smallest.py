"""The six smallest correct ways to save: what each needs to survive kills, restarts and power losses, and no more."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

STEPS = (1, 2)


def durable(path: Path) -> None:
    """What is in the directory stays there when the power fails."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def alone(rank: Any) -> None:
    """Rank 0 alone saves a directory, aside first; the others wait."""
    for step in STEPS:
        checkpoint = rank.root / f"checkpoint-{step}"
        if rank.index == 0 and not checkpoint.exists():
            shutil.rmtree(rank.root / "tmp", ignore_errors=True)
            (rank.root / "tmp").mkdir()
            write(rank.root / "tmp" / "model", b"model %d" % step)
            durable(rank.root / "tmp")
            os.rename(rank.root / "tmp", checkpoint)
        if rank.index == 0:
            durable(rank.root)
        rank.barrier()
        rank.saved(step)


def newest(root: Path) -> Path | None:
    return max(root.glob("checkpoint-*"), default=None)


def temporary_file(rank: Any) -> None:
    """One file, written aside, synced, and renamed over the one before; a restart goes on after what it finds."""
    path = rank.root / "checkpoint"
    found = rank.broadcast(path.read_text() if rank.index == 0 and path.exists() else None)
    for step in STEPS[int(found or 0) :]:
        if rank.index == 0:
            write(rank.root / "checkpoint.tmp", b"%d" % step)
            os.rename(rank.root / "checkpoint.tmp", path)
            durable(rank.root)
        rank.barrier()
        rank.saved(step)


def the_file(root: Path) -> Path | None:
    return root / "checkpoint" if (root / "checkpoint").exists() else None


def file_per_rank(rank: Any) -> None:
    """Each rank its own file, in a directory for each step."""
    for step in STEPS:
        checkpoint = rank.root / f"checkpoint-{step}"
        checkpoint.mkdir(exist_ok=True)
        write(checkpoint / f".tmp-{rank.index}", b"%d of %d" % (step, rank.index))
        os.rename(checkpoint / f".tmp-{rank.index}", checkpoint / f"rank-{rank.index}")
        durable(checkpoint)
        durable(rank.root)
        rank.barrier()
        rank.saved(step)


def newest_of_all(root: Path) -> Path | None:
    return max((path for path in root.glob("checkpoint-*") if len(list(path.glob("rank-*"))) == 2), default=None)


def lock(rank: Any) -> None:
    """Each rank adds itself to one list, which is read and replaced under a lock."""
    descriptor = os.open(rank.root / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        path = rank.root / "ranks.json"
        known = json.loads(path.read_text()) if path.exists() else []
        if rank.index not in known:
            write(rank.root / "ranks.tmp", json.dumps(sorted([*known, rank.index])).encode())
            os.rename(rank.root / "ranks.tmp", path)
        durable(rank.root)
    finally:
        os.close(descriptor)
    rank.barrier()
    rank.saved(1)


def full_list(root: Path) -> Path | None:
    path = root / "ranks.json"
    return path if path.exists() and json.loads(path.read_text()) == [0, 1] else None


def link(rank: Any) -> None:
    """A link that is switched to the newest directory."""
    latest = rank.root / "latest"
    found = rank.broadcast(os.readlink(latest) if rank.index == 0 and latest.exists() else None)
    for step in STEPS[int(found.removeprefix("step-")) if found else 0 :]:
        if rank.index == 0:
            place = rank.root / f"step-{step}"
            place.mkdir(exist_ok=True)
            write(place / "model", b"model %d" % step)
            durable(place)
            (rank.root / "latest.tmp").unlink(missing_ok=True)
            os.symlink(place.name, rank.root / "latest.tmp")
            durable(rank.root)
            os.rename(rank.root / "latest.tmp", latest)
            durable(rank.root)
        rank.barrier()
        rank.saved(step)


def linked(root: Path) -> Path | None:
    return (root / "latest").resolve() if (root / "latest").exists() else None


def records(path: Path) -> int:
    """How many whole records the log has; what a death left after them is cut off."""
    if not path.exists():
        return 0
    data = path.read_bytes()
    whole = 0
    while data[whole * 7 :].startswith(b"step %d\n" % (whole + 1)):
        whole += 1
    if len(data) > whole * 7:
        os.truncate(path, whole * 7)
    return whole


def log(rank: Any) -> None:
    """Records that are appended; a restart goes on after the last whole one."""
    path = rank.root / "log"
    found = rank.broadcast(records(path) if rank.index == 0 else None)
    for step in STEPS[found:]:
        if rank.index == 0:
            with open(path, "ab") as file:
                file.write(b"step %d\n" % step)
                file.flush()
                os.fsync(file.fileno())
            durable(rank.root)
        rank.barrier()
        rank.saved(step)


def the_log(root: Path) -> Path | None:
    return root / "log" if records(root / "log") else None


PROGRAMS: dict[str, tuple[Callable[[Any], None], Callable[[Path], Path | None]]] = {
    "rank 0 alone": (alone, newest),
    "temporary file": (temporary_file, the_file),
    "file per rank": (file_per_rank, newest_of_all),
    "lock": (lock, full_list),
    "link": (link, linked),
    "log": (log, the_log),
}
"""Each with what a restart would take."""
