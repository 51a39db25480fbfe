"""What the tool cannot do is exit code 3 and never looks like a finding."""

from __future__ import annotations

from pathlib import Path

import pytest

import simulator.campaigns.interface
from tests.cli.commands import Command


def test_a_scenario_without_a_call_about_a_file_is_no_pass(ckptrace: Command) -> None:
    ckptrace.write("idle.py", "def idle(rank):\n    rank.barrier()\n")
    called = ckptrace("explore", "--program", "idle.py:idle")
    assert called.code == 3
    assert called.err.startswith("ckptrace: none of 2 ranks made a call about a file")
    assert called.err.count("\n") == 1


def test_code_that_escapes_to_the_real_disk_is_named(ckptrace: Command) -> None:
    ckptrace.write("escapes.py", "import os\ndef saver(rank):\n    os.mkdir('/opt/ckptrace-escape')\n")
    called = ckptrace("explore", "--program", "escapes.py:saver")
    assert called.code == 3
    assert "/opt/ckptrace-escape" in called.err
    assert not Path("/opt/ckptrace-escape").exists()


def test_a_budget_that_ends_a_run_is_no_pass(ckptrace: Command) -> None:
    ckptrace.write("job.toml", '[strategy]\nname = "staged-barrier"\n[budgets]\noperations = 10\n')
    called = ckptrace("explore", "job.toml", "--json", "-")
    assert called.code == 3
    assert called.json["verdict"] == "incomplete"
    assert "operations: 10" in called.json["reason"]


def test_a_fault_of_the_tool_asks_for_a_report_and_is_no_finding(
    ckptrace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explore(*_: object, **__: object) -> None:
        raise KeyError("inside")

    monkeypatch.setattr(simulator.campaigns.interface, "explore", explore)
    called = ckptrace("explore", "--strategy", "staged-barrier")
    assert called.code == 3
    assert called.out == ""
    assert "Traceback" in called.err
    assert called.err.splitlines()[-1].startswith("ckptrace: internal error: KeyError: 'inside'.")
    assert "report it" in called.err


def test_an_interrupted_search_is_no_pass(ckptrace: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def explore(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(simulator.campaigns.interface, "explore", explore)
    called = ckptrace("explore", "--strategy", "staged-barrier")
    assert (called.code, called.err) == (3, "ckptrace: interrupted\n")


def test_a_replay_of_code_that_was_repaired_is_no_pass_either(ckptrace: Command, racy: Path) -> None:
    found = ckptrace("explore", "--program", "racy.py:saver", "--no-confirm", "--json", "-").json
    ckptrace.write("pyproject.toml", "")
    repaired = racy.read_text().replace("if staging.exists():", "if rank.index == 0:")
    (ckptrace.directory / "repaired.py").write_text(repaired)
    trace = Path(found["failure"]["trace"])
    trace.write_text(trace.read_text().replace("racy.py:saver", "repaired.py:saver"))
    called = ckptrace("replay", trace)
    assert called.code == 3
    assert called.out.startswith("clean")
    strict = ckptrace("replay", trace, "--strict")
    assert strict.code == 3
    assert strict.err.startswith("ckptrace: ")
    assert "step" in strict.err
