"""HypoFuzz (``hypothesis fuzz``) runs tests on drawn schedules, and keeps what it finds where pytest replays it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
# This version of HypoFuzz reaches into Hypothesis and fails with versions much newer than itself.
PACKAGES = ("hypofuzz==25.11.1", "hypothesis==6.148.2")
PATIENCE = 120.0
"""Seconds in which a race that needs one switch must have been found."""

TEST = """
import os
import pytest
from hypothesis import given, settings
from simulator.hypothesis import run, schedules

def saver(rank):
    staging = rank.root / "tmp-checkpoint-1"
    os.makedirs(staging, exist_ok=True)
    rank.barrier()
    if staging.exists():
        os.rename(staging, rank.root / "checkpoint-1")

# HypoFuzz keeps examples by the name of the test; pytest looks there for parametrised ones only.
@pytest.mark.parametrize("nodes", [2])
@settings(deadline=None)
@given(schedule=schedules())
def test_saver(schedule, nodes):
    run(saver, schedule, nodes=nodes)
"""
REPLAY_ONLY = """
import os
from hypothesis import settings
settings.register_profile("replay", max_examples=1)
if "REPLAY_ONLY" in os.environ:
    settings.load_profile("replay")
"""


@pytest.fixture
def fuzzing(tmp_path: Path) -> Path:
    """The ``bin`` of an environment with HypoFuzz; what else is needed is lent by the running one."""
    home = tmp_path / "environment"
    venv.create(home, with_pip=False, symlinks=True)
    install = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--quiet", *PACKAGES]
    subprocess.run(install, check=True, capture_output=True, text=True)
    (site_packages,) = home.glob("lib/python*/site-packages")
    (site_packages / "lent.pth").write_text(f"{CHECKOUT}\n{sysconfig.get_path('purelib')}\n")
    return home / "bin"


@pytest.mark.real
def test_a_race_that_was_fuzzed_is_replayed_by_pytest(fuzzing: Path, tmp_path: Path) -> None:
    (tmp_path / "test_race.py").write_text(TEST)
    (tmp_path / "conftest.py").write_text(REPLAY_ONLY)
    replay: list[Path | str] = [fuzzing / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_race.py"]
    command: list[Path | str] = [fuzzing / "hypothesis", "fuzz", "-n", "1", "--no-dashboard", "--", "test_race.py"]
    # The first example, which is the undisturbed run, passes.
    assert "1 passed" in replayed(replay, tmp_path)
    with (tmp_path / "fuzz.log").open("w") as log:
        fuzz = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
        try:
            started = time.monotonic()
            while "1 failed" not in (said := replayed(replay, tmp_path)):
                assert fuzz.poll() is None, (tmp_path / "fuzz.log").read_text()
                assert time.monotonic() - started < PATIENCE, said
        finally:
            os.killpg(fuzz.pid, signal.SIGTERM)
            fuzz.wait()
    assert "The order of A and B decides" in said


def replayed(command: list[Path | str], directory: Path) -> str:
    """What pytest says when it may only replay what was kept, and make the first example."""
    environment = {**os.environ, "REPLAY_ONLY": "1"}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True).stdout
