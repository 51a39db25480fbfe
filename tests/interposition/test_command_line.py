"""ckptrace run, as a first user meets it: what cannot be done is said, and why."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from simulator.cli.application import run as ckptrace
from tests.interposition.kernel import holds
from tests.interposition.programs import FIXED, program


def words_of(tmp_path: Path, body: str) -> list[str]:
    """``-- COMMAND ...`` of a program that saves to ``out``."""
    return ["--", sys.executable, program(tmp_path, body), str(tmp_path / "out")]


def refused(said: str, named: str) -> None:
    assert said.startswith("ckptrace: ")
    assert said.count("\n") == 1
    assert named in said


@holds
def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert ckptrace(["run", "--watch", str(tmp_path / "file" / "out"), *words_of(tmp_path, FIXED)]) == 2
    refused(capfd.readouterr().err, str(tmp_path / "file" / "out"))


def test_a_rank_that_there_is_not_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rule = "rename ENOSPC rank=7"
    assert ckptrace(["run", "--watch", str(tmp_path / "out"), "--error", rule, *words_of(tmp_path, FIXED)]) == 2
    refused(capfd.readouterr().err, "faults.errors: there is no rank 7")
