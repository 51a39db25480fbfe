"""ckptrace show --perfetto and --shiviz: files are written, and what cannot be had is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.commands import Command


@pytest.fixture
def recorded(ckptrace: Command, racy: Path) -> Path:
    assert ckptrace("explore", "--program", f"{racy}:saver", "--no-confirm").code == 1
    (trace,) = ckptrace.traces()
    return trace


def test_both_files_are_written(ckptrace: Command, recorded: Path) -> None:
    called = ckptrace(
        "show", recorded, "--perfetto", "deep/p.json", "--shiviz", "s.log", "--html", "page.html", "--rerun"
    )
    assert (called.code, called.err) == (0, "")
    assert called.out.splitlines() == ["page     page.html", "perfetto deep/p.json", "shiviz   s.log"]
    document = json.loads((ckptrace.directory / "deep" / "p.json").read_text())
    assert any(event.get("cat") == "conflict" for event in document["traceEvents"])
    assert (ckptrace.directory / "s.log").read_text().startswith("(?<host>")


def without_code(recorded: Path) -> Path:
    """The same trace of a program that is nowhere."""
    recorded.write_text(recorded.read_text().replace("racy.py:saver", "/nowhere/gone.py:saver"))
    return recorded


def test_nothing_is_run_unless_it_is_told(ckptrace: Command, recorded: Path) -> None:
    (ckptrace.directory / "racy.py").write_text("raise SystemExit('imported')")
    called = ckptrace("show", recorded, "--perfetto", "p.json")
    assert (called.code, called.out) == (0, "perfetto p.json\n")
    assert called.err.endswith("they are found by running the recording again: --rerun\n")
    called = ckptrace("show", recorded, "--shiviz", "s.log")
    assert (called.code, called.err) == (
        2,
        "ckptrace: --shiviz: what conflicts is found by running the recording again: --rerun\n",
    )


def test_without_the_code_under_test_perfetto_lacks_conflicts(ckptrace: Command, recorded: Path) -> None:
    trace = without_code(recorded)
    called = ckptrace("show", trace, "--perfetto", "p.json", "--rerun")
    assert called.code == 0
    assert called.err.startswith("ckptrace: without arrows for conflicts, and without times: /nowhere/gone.py: no such")
    assert called.err.count("\n") == 1
    kinds = {event.get("cat") for event in json.loads((ckptrace.directory / "p.json").read_text())["traceEvents"]}
    assert "conflict" not in kinds
    assert "collective" in kinds


def test_without_it_there_is_no_log_for_shiviz(ckptrace: Command, recorded: Path) -> None:
    trace = without_code(recorded)
    called = ckptrace("show", trace, "--shiviz", "s.log", "--rerun")
    assert (called.code, called.out, called.err.count("\n")) == (2, "", 1)
    assert "/nowhere/gone.py" in called.err
    assert not (ckptrace.directory / "s.log").exists()


def test_code_that_has_changed_is_told_with_the_step(ckptrace: Command, recorded: Path) -> None:
    changed = (ckptrace.directory / "racy.py").read_text().replace("rng_state_", "random_state_")
    ckptrace.write("changed.py", changed)
    recorded.write_text(recorded.read_text().replace("racy.py:saver", "changed.py:saver"))
    called = ckptrace("show", recorded, "--shiviz", "s.log", "--rerun")
    assert called.code == 2, "a trace that was changed is no recording of one's own"
    assert "saver of " in called.err
    called = ckptrace("show", recorded, "--shiviz", "s.log", "--rerun", "--trust")
    assert (called.code, called.out, called.err.count("\n")) == (3, "", 1)
    assert "rng_state_0.pth" in called.err
    assert "random_state_0.pth" in called.err


@pytest.mark.parametrize("option", ["--perfetto", "--shiviz"])
def test_a_place_that_cannot_be_written_is_named(ckptrace: Command, recorded: Path, option: str) -> None:
    called = ckptrace("show", recorded, option, ckptrace.directory)
    assert (called.code, called.err) == (2, f"ckptrace: {ckptrace.directory}: Is a directory\n")
