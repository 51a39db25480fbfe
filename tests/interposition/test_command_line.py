"""ckptrace run, as a first user meets it: what cannot be done is said, and why."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from simulator.campaigns.command.search import search
from simulator.cli.application import run as ckptrace
from tests.interposition.kernel import holds
from tests.interposition.programs import FIXED, experiment, program


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


POLLING = """
    os.mkdir(os.path.join(root, str(rank)))
    while rank == 1 and not os.path.exists(os.path.join(root, "never")):
        time.sleep(0.001)
"""
SPINNING = """
    os.mkdir(os.path.join(root, str(rank)))
    while rank == 1:
        pass
"""


@holds
@pytest.mark.parametrize(
    ("body", "last"), [(POLLING, "rank 1 is stat never (made"), (SPINNING, "rank 1 is mkdir 1")], ids=["polls", "spins"]
)
def test_a_run_that_does_not_end_is_broken_off_and_says_what_its_ranks_did_last(
    tmp_path: Path, body: str, last: str
) -> None:
    with experiment(tmp_path, body, warm=False) as under_test:
        result = search(under_test, schedules=10, seconds=2.0)
    assert result.verdict == "incomplete"
    assert result.seconds < 15
    assert result.reason is not None
    assert last in result.reason
    assert "rank 0" not in result.reason, "which has ended"


@holds
def test_a_later_run_that_is_broken_off_does_not_count_and_is_told(tmp_path: Path) -> None:
    """The fifth run spins: the undisturbed schedule and the first disturbed one are run twice."""
    body = """
    os.mkdir(os.path.join(root, str(rank)))
    if rank == 1:
        runs = os.path.join(os.path.dirname(root), "runs")
        os.makedirs(os.path.join(runs, str(os.getpid())))
        while len(os.listdir(runs)) > 4:
            pass
    """
    with experiment(tmp_path, body) as under_test:
        result = search(under_test, schedules=100, seconds=3.0)
    assert (result.verdict, result.schedules) == ("clean", 2)
    assert "one more was broken off" in result.coverage
    assert "the last call of rank 1 is mkdir 1" in result.coverage


@holds
def test_a_look_at_what_is_held_says_why_it_is_no_success(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ["run", "--watch", str(tmp_path / "out"), "--dry"]
    assert ckptrace([*options, "--", "true"]) == 3
    assert "incomplete: no rank made a call about" in capfd.readouterr().out
    assert ckptrace([*options, "--for", "2s", *words_of(tmp_path, SPINNING)]) == 3
    said = capfd.readouterr().out
    assert "incomplete: wall time:" in said
    assert "the last call of rank 1 is mkdir 1" in said


@holds
@pytest.mark.parametrize("option", ["--schedules=3", "--dry", "--confirm-races"])
def test_a_program_that_fails_before_it_comes_to_the_directory_is_no_finding(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], option: str
) -> None:
    (tmp_path / "wrong.py").write_text("import os\nvalues = (1,\n", encoding="utf-8")
    words = ["--", sys.executable, str(tmp_path / "wrong.py")]
    assert ckptrace(["run", "--watch", str(tmp_path / "out"), option, *words]) == 3
    said = capfd.readouterr().err
    refused(said, "the program fails before it comes to")
    assert "rank 0 failed: SyntaxError: '(' was never closed" in said
    assert 'wrong.py", line 2' in said
