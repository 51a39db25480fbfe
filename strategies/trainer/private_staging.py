"""The staging of transformers' main branch of February 2025: a private directory that is renamed over a shared name."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path


def rename_over(staging: str, final: Path) -> None:
    """Rename ``staging`` to ``final``; delete a ``final`` that is in the way, whoever made it, and try once more.

    ``os.renames`` makes missing parents before and tries to remove empty ones after. Raises OSError from the deletion
    and from the second rename.
    """
    try:
        os.renames(staging, final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        shutil.rmtree(final)
        os.renames(staging, final)
