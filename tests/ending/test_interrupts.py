"""SIGINT, SIGTERM and SIGHUP end any command soon, with what was found so far, in every form that was asked for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from simulator import interruption
from simulator.interruption import Interrupted, asked, finishing, interruptible, leaving, look_up
from tests.ending.processes import Started, wait_until
from tests.interposition.kernel import holds
from tests.interposition.programs import program

PROGRAMS = """
import os, sys

def fine(rank):
    (rank.root / f"a-{rank.index}").touch()
    rank.barrier()
    for n in range(20):
        os.rename(rank.root / f"a-{rank.index}", rank.root / f"b-{rank.index}")
        os.rename(rank.root / f"b-{rank.index}", rank.root / f"a-{rank.index}")

def racing(rank):
    for n in range(20):
        (rank.root / "shared").write_text(f"{rank.index}")

def endless(rank):
    (rank.root / f"a-{rank.index}").touch()
    while True:
        pass

def stubborn(rank):
    (rank.root / f"a-{rank.index}").touch()
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass

sys.stderr.write("imported\\n")
"""
SOON = 2.0
"""Seconds within which a command must have ended, on a machine that does nothing else."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "programs.py").write_text(PROGRAMS)
    return tmp_path


def ended_soon(command: Started, number: int, *, group: bool = True, soon: float = SOON) -> int:
    """Send a signal as a terminal or a service manager does; gives the exit code.

    Time counts as the processor time that the command takes after it, since other tests run beside this one.
    """
    before = time.monotonic()
    command.kill(number, group=group)
    code = command.end()
    assert time.monotonic() - before < soon * max(1.0, os.getloadavg()[0]) + 1.0, command.printed()
    command.assert_nobody_is_left()
    assert "Traceback" not in command.printed()
    return code


def at_work(command: Started) -> Started:
    """It has imported the code under test, and has computed for a while since."""
    wait_until(lambda: "imported" in command.err.read_text())
    before = command.processor_time()
    wait_until(lambda: command.processor_time() > before + 0.3)
    return command


@pytest.mark.parametrize(
    ("function", "number"), [("fine", signal.SIGTERM), ("endless", signal.SIGHUP), ("stubborn", signal.SIGINT)]
)
def test_explore_gives_what_it_has(place: Path, function: str, number: int) -> None:
    found = place / "found.json"
    options: list[str | Path] = ["--program", f"programs.py:{function}", "--schedules", "10000000", "--json", found]
    command = at_work(Started(place, "explore", *options))
    # What catches even that is given four seconds, and then ended as it stands.
    assert ended_soon(command, number, soon=4.0 if function == "stubborn" else SOON) == 3
    name = signal.Signals(number).name
    if function != "stubborn":
        assert "incomplete" in command.printed()
        result = json.loads(found.read_bytes())
        assert result["verdict"] == "incomplete"
        assert name in result["reason"]
    assert f"interrupted ({name})" in command.printed()


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_certify_keeps_how_far_it_came(place: Path, workers: str) -> None:
    options = ["--program", "programs.py:racing", "--checkpoint", "kept", "--workers", workers]
    command = at_work(Started(place, "certify", *options, "--kills", "1"))
    wait_until((place / "kept").exists)  # As SIGKILL would find it; a signal keeps what came since as well.
    before = (place / "kept").stat().st_ino
    assert ended_soon(command, signal.SIGTERM) == 3
    assert (place / "kept").stat().st_ino != before
    assert "interrupted (SIGTERM) before every class was explored" in command.printed()
    assert (place / "kept").stat().st_size > 0
    assert "the same command goes on from there" in command.printed()
    again = Started(place, "certify", *options, "--kills", "1", "--max-classes", "1")
    assert again.end() == 3
    assert "stopped after" in again.printed()


def test_ci_reports_every_case(place: Path) -> None:
    for name in ("one", "two"):
        (place / f"{name}.toml").write_text('program = "programs.py:fine"\n')
    options = ["--schedules", "10000000", "--junit", "junit.xml", "--json", "all.json"]
    command = at_work(Started(place, "ci", "one.toml", "two.toml", *options))
    assert ended_soon(command, signal.SIGTERM) == 3
    root = ElementTree.parse(place / "junit.xml").getroot()
    assert [case.get("name") for case in root.iter("testcase")] == ["one.toml", "two.toml"]
    assert [case.get("type") for case in root.iter("error")] == ["CannotDo", "CannotDo"]
    table = json.loads((place / "all.json").read_bytes())
    assert "interrupted (SIGTERM)" in table["cases"][0]["said"]
    assert table["cases"][1]["said"] == "not run: interrupted (SIGTERM)"


@holds
@pytest.mark.parametrize("body", ["forever", "schedules"])
def test_run_gives_what_it_has(place: Path, body: str) -> None:
    text = {
        "forever": "while True:\n        time.sleep(3600)",
        "schedules": "open(os.path.join(root, f'a-{rank}'), 'w').close()\n    open('begun', 'a').close()",
    }[body]
    words = [sys.executable, program(place, f"\n    open('begun', 'a').close()\n    {text}\n"), "out"]
    command = Started(place, "run", "--watch", "out", "--schedules", "100000", "--json", "found.json", "--", *words)
    wait_until((place / "begun").exists)
    assert ended_soon(command, signal.SIGTERM) == 3
    assert "interrupted (SIGTERM)" in json.loads((place / "found.json").read_bytes())["reason"]
    assert list((place / "out").iterdir()) == []


def test_compare_ends_its_processes_and_writes_its_json(place: Path) -> None:
    options = ["--nodes", "2", "--ranks-per-node", "1", "--for", "60s", "--schedules", "1000000", "--json", "all.json"]
    command = Started(place, "compare", "--strategy", "manifest", "--strategy", "staged-barrier", *options)
    wait_until(lambda: len(command.everybody()) > 3)
    assert ended_soon(command, signal.SIGINT) == 3
    assert json.loads((place / "all.json").read_bytes())["interrupted"].startswith("interrupted (SIGINT): 0 of 2")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_fuzz_ends_with_a_summary(place: Path, workers: str) -> None:
    options = ["--program", "programs.py:fine", "--workers", workers, "--json", "all.json"]
    command = Started(place, "fuzz", *options)
    if workers == "1":
        at_work(command)
    else:
        wait_until(lambda: len(command.everybody()) > 3)
    assert ended_soon(command, signal.SIGHUP) in (0, 3)
    assert "interrupted (SIGHUP)" in command.printed()
    assert json.loads((place / "all.json").read_bytes())["verdict"] in ("clean", "incomplete")


def test_a_signal_that_was_ignored_stays_so(place: Path) -> None:
    options = ["--program", "programs.py:fine", "--schedules", "1"]
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    sending = "import os, signal; os.kill(os.getppid(), signal.SIGHUP)"
    more = f"import subprocess; subprocess.run([sys.executable, '-c', {sending!r}])"
    (place / "programs.py").write_text(PROGRAMS + more)
    done = subprocess.run(
        [sys.executable, "-c", ignoring, sys.executable, "-m", "ckptrace", "explore", *options],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("clean")


def test_a_signal_is_noted_until_it_is_asked_for_and_the_second_raises() -> None:
    with interruptible():
        reached = []
        with leaving() as left:
            signal.raise_signal(signal.SIGHUP)
            reached.append("noted")
            look_up()
            reached.append("never")
        assert (reached, left.by) == (["noted"], "interrupted (SIGHUP)")
        look_up()  # What follows goes on with what there is.
        assert asked() == "interrupted (SIGHUP)"
        with pytest.raises(Interrupted, match=r"interrupted \(SIGHUP\)"):
            signal.raise_signal(signal.SIGTERM)
    assert asked() is None


def test_what_writes_results_is_not_disturbed() -> None:
    with interruptible():
        with finishing():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(Interrupted):
            look_up()


def test_who_does_not_ask_has_it_raised_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "_PATIENCE", 0.01)
    with interruptible(), leaving() as left:
        signal.raise_signal(signal.SIGTERM)
        while True:
            pass
    assert left.by == "interrupted (SIGTERM)"
