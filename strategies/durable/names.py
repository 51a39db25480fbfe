"""Names of checkpoints: ``checkpoint-N``, or ``checkpoint-N.K`` for the K-th save of the same step.

A save never writes into a directory that is there, so that the files of two saves cannot mix, whatever the first one
left behind.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

_NAME = re.compile(r"checkpoint-(\d+)(?:\.(\d+))?")


def place(name: str) -> tuple[int, int]:
    """Step and serial number of a checkpoint's name. Raises ValueError for any other name."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"not the name of a checkpoint: {name!r}")
    return int(found.group(1)), int(found.group(2) or 1)


def directories(root: Path) -> list[str]:
    """The names of the directories in ``root``: a fresh listing, since a test by name may be answered by a cache."""
    with os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def checkpoints(names: Collection[str]) -> list[str]:
    """Those of the names that are checkpoints' names, by step and then by serial number."""
    return sorted((name for name in names if _NAME.fullmatch(name)), key=place)


def new_name(step: int, taken: Collection[str]) -> str:
    """A name for a save of ``step`` that is later than those of ``taken``."""
    serials = [place(name)[1] for name in checkpoints(taken) if place(name)[0] == step]
    return f"checkpoint-{step}.{max(serials) + 1}" if serials else f"checkpoint-{step}"


def retained(names: Collection[str], newest: str, keep: int | None, best_step: int | None) -> set[str]:
    """Which of the names stay: ``newest``, those of the highest other steps until there are ``keep``, and the best.

    Of several saves of one step only the last stays. ``newest`` is the one that was just saved or resumed from; its
    step need not be the highest. A ``keep`` of None, or below 1, keeps every step.
    """
    by_step = {place(name)[0]: name for name in checkpoints([*names, newest])}
    by_step[place(newest)[0]] = newest
    kept = {newest}
    for step in sorted(by_step, reverse=True):
        if keep is None or keep < 1 or len(kept) < keep or step == best_step:
            kept.add(by_step[step])
    return kept
