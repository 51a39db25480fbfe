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
    memory = Path("/dev/shm")
    base = REPOSITORY if request.param == "disk" else memory if memory.is_dir() else Path(tempfile.gettempdir())
    if not os.access(base, os.W_OK):
        base = Path(tempfile.gettempdir())
    path = Path(tempfile.mkdtemp(prefix=".ckptrace-test-", dir=base))
    path.chmod(0o755)  # as the model's root
    try:
        yield path
    finally:
        shutil.rmtree(path)
