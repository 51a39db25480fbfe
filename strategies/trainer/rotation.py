"""How Trainer deletes old checkpoints, and by what order it tells old from new.

Source: 4.35 to 4.37 order by modification time, 4.38 to 4.51 by number, 4.52 and later by modification time unless
all of them lie within a second. The best checkpoint is moved to the second-last place, the first ones are deleted and
errors of the deletion are ignored, so that a checkpoint may be left half-deleted.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

_NUMBER = re.compile(r".*checkpoint-(\d+)")


def rotate(root: Path, keep: int | None, best_step: int | None, *, by_time: bool, least_spread: float = 0.0) -> None:
    """Delete the oldest checkpoints below ``root`` until ``keep`` are left; two where the best is not the newest."""
    if keep is None or keep <= 0:
        return
    names = oldest_first(root, by_time=by_time, least_spread=least_spread)
    if len(names) <= keep:
        return
    best = f"checkpoint-{best_step}"
    if best in names[:-1]:
        names.remove(best)
        names.insert(len(names) - 1, best)
    if best_step is not None and names[-1] != best:
        keep = max(keep, 2)
    for name in names[: max(0, len(names) - keep)]:
        shutil.rmtree(root / name, ignore_errors=True)


def oldest_first(root: Path, *, by_time: bool, least_spread: float) -> list[str]:
    """The checkpoints by modification time, or by number. Raises FileNotFoundError if one vanishes meanwhile.

    Times that lie less than ``least_spread`` seconds apart, first to last, are taken for unreliable; with 0 nobody asks
    how far apart they lie.
    """
    names = [name for name in os.listdir(root) if name.startswith("checkpoint-") and os.path.isdir(root / name)]
    if by_time:
        times = {name: os.path.getmtime(root / name) for name in names}
        if not times or not least_spread or max(times.values()) - min(times.values()) >= least_spread:
            return sorted(names, key=lambda name: (times[name], name))
    numbers = {name: int(found.group(1)) for name in names if (found := _NUMBER.match(name))}
    return sorted(numbers, key=lambda name: (numbers[name], name))
