from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.commands import Command

RACY = """
import os

def saver(rank):
    staging = rank.root / "tmp-checkpoint-1"
    os.makedirs(staging, exist_ok=True)
    (staging / f"rng_state_{rank.index}.pth").write_bytes(b"state")
    rank.barrier()
    if staging.exists():
        os.rename(staging, rank.root / "checkpoint-1")

def private(rank):
    (rank.root / str(rank.index)).mkdir()

def together(rank):
    rank.barrier()
"""
CORPUS = Path(__file__).parents[2] / "fixtures" / "corpus"


@pytest.fixture
def ckptrace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command in the directory of a project, away from any CI server."""
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "save.py").write_text(RACY)
    (tmp_path / "scenarios").mkdir()
    return Command(tmp_path, capsys)


@pytest.fixture
def sound(ckptrace: Command) -> Path:
    """A scenario in which nothing can go wrong."""
    return ckptrace.write("scenarios/sound.toml", 'program = "../save.py:private"\n')


@pytest.fixture
def racy(ckptrace: Command) -> Path:
    """A scenario with a race."""
    return ckptrace.write("scenarios/racy.toml", 'program = "../save.py:saver"\n')


@pytest.fixture
def known_bug(ckptrace: Command) -> Path:
    """A case of the corpus, which says what must be found."""
    return Path(shutil.copy(CORPUS / "hf-29336-error.toml", ckptrace.directory / "scenarios"))
