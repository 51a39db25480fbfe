"""The shared staging directory of transformers 4.36 to 4.38, and how a rank decides whether to use it."""

from __future__ import annotations

import os
from pathlib import Path


def staging_for(final: Path) -> Path:
    """Where a rank writes: ``final`` itself if it exists and holds anything, else ``tmp-`` before its name.

    Each rank decides for itself, at the moment that it comes here.
    """
    if os.path.exists(final) and os.listdir(final):
        return final
    return final.with_name("tmp-" + final.name)


def rename_and_sync(staging: Path, final: Path) -> None:
    """Publish as 4.37 and 4.38 do: the renamed directory is synced, though its new name lies in the parent."""
    os.rename(staging, final)
    fd = os.open(final, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
