from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import Command


@pytest.fixture
def ckptrace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, capsys)


RACY = """
import os

def saver(rank):
    staging = rank.root / "tmp-checkpoint-1"
    os.makedirs(staging, exist_ok=True)
    (staging / f"rng_state_{rank.index}.pth").write_bytes(b"state")
    rank.barrier()
    if staging.exists():
        os.rename(staging, rank.root / "checkpoint-1")
    rank.barrier()
    rank.saved(1)

def pick(root):
    found = root / "checkpoint-1"
    return found if found.exists() else None

def direct(rank):
    checkpoint = rank.root / "checkpoint-1"
    os.makedirs(checkpoint, exist_ok=True)
    (checkpoint / f"rng_state_{rank.index}.pth").write_bytes(b"state")
    rank.barrier()
    rank.saved(1)

number = 3
"""


@pytest.fixture
def racy(ckptrace: Command) -> Path:
    """A file with plain programs, one of them with a race."""
    return ckptrace.write("racy.py", RACY)
