"""Directories that are published, and retired, by one rename each: none is ever seen half-written or half-deleted.

What is being written is called ``staging-...`` and what is being deleted ``removing-...``. Neither is ever resumed
from, and whatever bears such a name when no save is going on is garbage of a dead attempt.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from strategies.durable.files import remove, sync
from strategies.durable.names import checkpoints

STAGING = "staging-"
REMOVING = "removing-"


def publish(staging: Path, name: str, fsync: bool) -> None:
    """Give a staging directory, whose content is durable, its final name, durably. Nothing may bear that name."""
    os.rename(staging, staging.with_name(name))
    if fsync:
        sync(staging.parent)


def retire(root: Path, names: Collection[str], fsync: bool) -> None:
    """Delete checkpoints, the oldest first; no file of theirs before their name is gone, durably with ``fsync``."""
    retired = []
    for name in checkpoints(names):
        target = root / f"{REMOVING}{name}-{os.urandom(4).hex()}"
        os.rename(root / name, target)
        retired.append(target)
    if retired and fsync:
        sync(root)
    for path in retired:
        remove(path)


def leftovers(names: Iterable[str]) -> list[str]:
    """Those of a directory's names that belong to an unfinished save or deletion."""
    return [name for name in names if name.startswith((STAGING, REMOVING))]
