"""Whatever a trace or a scenario holds: one line that says so, within bounds, and no code of it is run."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def survived(number: int, seed: int) -> None:
    command = [sys.executable, "-m", "tests.mutants", "--number", str(number), "--seed", str(seed)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{number:,} mutants" in ended.stdout


def test_a_few_mutants_of_traces_and_scenarios() -> None:
    survived(250, 0)


@pytest.mark.slow
def test_many_mutants_of_traces_and_scenarios() -> None:
    survived(int(os.environ.get("MUTANTS", "10000")), int(os.environ.get("SEED", "1")))
