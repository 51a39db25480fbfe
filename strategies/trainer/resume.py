"""Which checkpoint Trainer resumes from: the directory with the largest number, whatever is in it."""

from __future__ import annotations

import os
import re
from pathlib import Path

_NAME = re.compile(r"^checkpoint-(\d+)$")


def last_checkpoint(root: Path) -> Path | None:
    """The directory ``checkpoint-N`` below ``root`` with the largest N, or None. Its content is not looked at."""
    names = [name for name in os.listdir(root) if _NAME.match(name) and os.path.isdir(root / name)]
    return root / max(names, key=lambda name: int(name.rpartition("-")[2])) if names else None
