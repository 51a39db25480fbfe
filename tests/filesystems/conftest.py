"""Real directories for the file system tests."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(params=["memory", "disk"])
def real_directory(request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty directory on tmpfs, and one on the file system that the checkout lies on."""
    memory, disk = Path("/dev/shm"), REPOSITORY / ".ckptrace"  # which git ignores
    base = memory
    if request.param == "disk":
        base = disk if os.access(REPOSITORY, os.W_OK) else Path(tempfile.gettempdir())
        base.mkdir(exist_ok=True)
    elif not os.access(memory, os.W_OK):
        base = Path(tempfile.gettempdir())
    path = Path(tempfile.mkdtemp(prefix="test-", dir=base))
    path.chmod(0o755)  # as the model's root
    try:
        yield path
    finally:
        shutil.rmtree(path)
