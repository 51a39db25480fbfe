"""A file that cannot be written costs neither the verdict nor the other files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from simulator.cli import main, output
from simulator.errors import UsageError

PROGRAM = """
import os

def racy(rank):
    (rank.root / "tmp").mkdir(exist_ok=True)
    rank.barrier()
    if (rank.root / "tmp").exists():
        os.rename(rank.root / "tmp", rank.root / "checkpoint-1")
"""


def test_a_full_disk_loses_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, data: bytes) -> bool:
        raise UsageError(f"{path}: {os.strerror(errno.ENOSPC)}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(output, "write_new", full)
    Path("programs.py").write_text(PROGRAM)
    options = ["--program", "programs.py:racy", "--no-confirm", "--json", "found.json"]
    assert main(["explore", *options]) == 3
    said = capsys.readouterr()
    assert said.out.startswith("violated")
    assert "no-error" in said.out
    assert Path("found.json").stat().st_size
    [line] = said.err.splitlines()
    assert "No space left on device (verdict: violated)" in line
