"""ckptrace ci: which files it runs, in which order, within which time, and with which exit code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from simulator.campaigns.result import Result
from simulator.campaigns.searching.sampling import sample
from simulator.campaigns.suite import running
from simulator.experiment import Experiment
from tests.cli.commands import Command

WRONG_VERDICT = '[expect]\nverdict = "red"\n[scenario.strategy]\nname = "manifest"'
PROGRAM = """
import os
os.makedirs("out/tmp", exist_ok=True)
if not os.path.exists("out/final"):
    os.rename("out/tmp", "out/final")
"""
FEW = ("--schedules", "50", "--no-confirm")


def cases(ckptrace: Command, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    """The exit code, and what is said of each case, by the name of its file."""
    called = ckptrace("ci", *FEW, *arguments, "--json", "-")
    return called.code, {Path(case["path"]).name: case for case in called.json["cases"]}


def test_the_scenarios_of_a_project_are_found_and_pass(ckptrace: Command, sound: Path) -> None:
    called = ckptrace("ci", *FEW)
    assert (called.code, called.err) == (0, "")
    assert called.out.startswith("ok      scenarios/sound.toml  clean  sampled: 50 schedules, mixed")
    assert "1 passed in " in called.out
    assert not (ckptrace.directory / "ckptrace-out").exists()


def test_a_violation_fails_with_its_lanes_and_its_trace(ckptrace: Command, sound: Path, racy: Path) -> None:
    called = ckptrace("ci", "--schedules", "50")
    assert called.code == 1
    assert "FAILED  scenarios/racy.toml  violated no-error: rank" in called.out
    assert "┿━━┿  barrier of 2 ranks" in called.out
    assert "disk    confirmed on " in called.out
    (trace,) = ckptrace.traces()
    assert f"replay  ckptrace replay ckptrace-out/{trace.name}" in called.out
    assert "1 passed, 1 failed in " in called.out
    assert ckptrace("replay", trace).code == 1


def test_kept_failures_are_replayed_first_until_they_are_fixed(ckptrace: Command, racy: Path) -> None:
    ckptrace("ci", *FEW)
    (trace,) = ckptrace.traces()
    kept = ckptrace.directory / "scenarios" / "regressions"
    kept.mkdir()
    shutil.copy(trace, kept / "a-race.json")
    code, found = cases(ckptrace)
    assert code == 1
    assert list(found) == ["a-race.json", "racy.toml"]
    assert (found["a-race.json"]["kind"], found["a-race.json"]["status"]) == ("regression", "failed")
    assert found["a-race.json"]["result"]["failure"]["trace"] == "scenarios/regressions/a-race.json"
    fixed = (ckptrace.directory / "save.py").read_text().replace("if staging.exists()", "if rank.index == 0")
    # A module that was imported stays: the fixed one needs a place of its own.
    fixed_project = ckptrace.directory / "fixed"
    shutil.copytree(kept, fixed_project / "scenarios" / "regressions")
    (fixed_project / "save.py").write_text(fixed)
    (fixed_project / "pyproject.toml").touch()
    code, found = cases(ckptrace, "fixed/scenarios")
    assert (code, found["a-race.json"]["status"], found["a-race.json"]["result"]["verdict"]) == (0, "passed", "clean")
    assert "save.py has changed since it was recorded" in found["a-race.json"]["result"]["reason"]


def test_a_kept_failure_of_which_no_step_is_taken_no_longer_applies(ckptrace: Command, racy: Path) -> None:
    ckptrace("ci", *FEW)
    (trace,) = ckptrace.traces()
    trace.write_text(trace.read_text().replace("save.py:saver", "save.py:private"))
    called = ckptrace("ci", trace, "--trust", "--json", "-")
    (case,) = called.json["cases"]
    assert (called.code, case["status"]) == (3, "error")
    assert case["said"].startswith("the recording no longer applies: not one of its steps was taken (step 0: the ")


def test_a_known_bug_passes_when_it_is_found_as_expected(ckptrace: Command, known_bug: Path) -> None:
    code, found = cases(ckptrace)
    assert (code, found[known_bug.name]["status"]) == (0, "passed")
    assert found[known_bug.name]["said"].startswith("as expected, violated no-error")
    assert ckptrace.traces() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('"transformers-4.38"', '"staged-barrier"'), "expected violated no-error: 'No such file"),
        (('invariant = "no-error"', 'invariant = "keep"'), "expected violated keep: "),
        (("No such file", "Some other file"), "expected violated no-error: 'Some other file"),
        (('verdict = "violated"', 'verdict = "clean"'), "expected clean"),
    ],
)
def test_a_known_bug_fails_when_something_else_is_found(
    ckptrace: Command, known_bug: Path, change: tuple[str, str], said: str
) -> None:
    text = known_bug.read_text().replace(*change).replace("schedules = 1500", "schedules = 60")
    known_bug.write_text(text)
    code, found = cases(ckptrace)
    assert (code, found[known_bug.name]["status"]) == (1, "failed")
    assert found[known_bug.name]["said"].startswith(said)


def test_what_the_tool_cannot_do_stops_no_other_case_and_is_no_finding(ckptrace: Command, sound: Path) -> None:
    ckptrace.write("scenarios/alone.toml", 'program = "../save.py:together"\n')
    ckptrace.write("scenarios/short.toml", 'program = "../save.py:saver"\n[budgets]\noperations = 3\n')
    code, found = cases(ckptrace)
    assert code == 3
    assert {name: case["status"] for name, case in found.items()} == {
        "alone.toml": "error",
        "short.toml": "error",
        "sound.toml": "passed",
    }
    assert "made a call about a file" in found["alone.toml"]["said"]
    assert found["short.toml"]["said"].startswith("incomplete: operations: 3")


def test_a_violation_counts_more_than_an_error(ckptrace: Command, racy: Path) -> None:
    ckptrace.write("scenarios/alone.toml", 'program = "../save.py:together"\n')
    assert cases(ckptrace)[0] == 1


@pytest.mark.parametrize(("used", "shares"), [([1.0, 1.0], [1.0, 1.0]), ([0.25, 1.75], [1.0, 1.75])])
def test_the_time_is_shared_and_what_is_left_passes_on(
    ckptrace: Command, sound: Path, monkeypatch: pytest.MonkeyPatch, used: list[float], shares: list[float]
) -> None:
    shutil.copy(sound, sound.with_name("another.toml"))
    now = [0.0]
    given: list[float] = []

    def takes_its_time(experiment: Experiment, *, seconds: float, **more: Any) -> Result:
        result = sample(experiment, **more | {"schedules": 2})
        now[0] += used[len(given)]
        given.append(seconds)
        return result

    monkeypatch.setattr(running, "sample", takes_its_time)
    monkeypatch.setattr(running, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    called = ckptrace("ci", "--for", "2s", "--json", "-")
    assert called.code == 0
    assert given == shares


def test_a_scenario_that_no_time_is_left_for_is_no_pass(ckptrace: Command, sound: Path) -> None:
    shutil.copy(sound, sound.with_name("z.toml"))
    code, found = cases(ckptrace, "--for", "1ms")
    assert code == 3
    assert found["z.toml"]["said"] == "not run: those before it used up the time"


def test_files_and_directories_can_be_named_and_each_is_run_once(ckptrace: Command, sound: Path, racy: Path) -> None:
    assert list(cases(ckptrace, "scenarios/sound.toml")[1]) == ["sound.toml"]
    assert list(cases(ckptrace, "scenarios/sound.toml", "scenarios", sound)[1]) == ["sound.toml", "racy.toml"]


def test_the_project_file_says_what_is_run(ckptrace: Command, racy: Path) -> None:
    (ckptrace.directory / "more" / "deep").mkdir(parents=True)
    ckptrace.write("more/deep/one.toml", 'program = "../../save.py:private"\n')
    ckptrace.write("pyproject.toml", '[tool.ckptrace]\nscenarios = ["more/**/*.toml"]\nschedules = 7\nfor = "1m"\n')
    called = ckptrace("ci", "--json", "-")
    assert [(case["path"], case["result"]["schedules"]) for case in called.json["cases"]] == [("more/deep/one.toml", 7)]
    assert called.code == 0


@pytest.mark.parametrize(
    ("files", "arguments", "said"),
    [
        ({}, (), "no scenario files: scenarios has none"),
        ({}, ("nowhere.toml",), "nowhere.toml: No such file or directory"),
        ({}, ("--for", "soon", "."), "--for: must be a time"),
        ({}, ("--schedules", "0", "."), "--schedules: must be at least 1, is 0"),
        ({}, ("--regressions", "none"), "none: no such directory"),
        ({"scenarios/a.toml": "restart = 1"}, (), "scenarios/a.toml: Object contains unknown field `restart`"),
        ({"scenarios/a.toml": "restarts = 1"}, (), "scenarios/a.toml: nothing to test"),
        ({"scenarios/a.toml": '[strategy]\nname = "none"'}, (), "scenarios/a.toml: unknown strategy 'none'"),
        (
            {"scenarios/a.toml": '[expect]\nverdict = "red"\n[scenario.strategy]\nname = "manifest"'},
            (),
            "a.toml: expect",
        ),
        ({"scenarios/a.toml": "= 1"}, (), "scenarios/a.toml: Invalid"),
        ({"trace.json": "{}"}, ("trace.json",), "trace.json: not a ckptrace trace"),
        (
            {"pyproject.toml": "[tool.ckptrace]\nscenario = []"},
            (),
            "its keys are scenarios, regressions, for, schedules",
        ),
        ({"pyproject.toml": '[tool.ckptrace]\nfor = "x"'}, (), "[tool.ckptrace] for: must be a time"),
    ],
)
def test_bad_input_is_one_line_that_names_the_thing(
    ckptrace: Command, files: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    for name, text in files.items():
        ckptrace.write(name, text)
    called = ckptrace("ci", *arguments)
    assert (called.code, called.out, called.err.count("\n")) == (2, "", 1)
    assert said in called.err


def test_reports_go_where_they_are_wanted(
    ckptrace: Command, sound: Path, racy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = ckptrace.write("step.md", "# earlier step\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(ckptrace.directory))
    called = ckptrace("ci", *FEW, "--junit", "deep/j.xml", "--summary", "s.md", "--json", "r.json")
    assert called.code == 1
    marks = [line for line in called.out.splitlines() if line.startswith("::error ")]
    assert [line.partition(",title")[0] for line in marks] == [
        "::error file=save.py,line=9",
        "::error file=save.py,line=10",
    ]
    summary = (ckptrace.directory / "s.md").read_text()
    assert step.read_text() == "# earlier step\n" + summary
    assert summary.startswith("## ckptrace: 1 passed, 1 failed\n")
    suites = ElementTree.parse(ckptrace.directory / "deep" / "j.xml").getroot()
    assert (suites.get("tests"), suites.get("failures")) == ("2", "1")
    table = json.loads((ckptrace.directory / "r.json").read_text())
    assert (table["exit_code"], table["passed"], table["failed"], table["error"]) == (1, 1, 1, 0)


def test_with_json_on_standard_output_nothing_else_is_there(
    ckptrace: Command, racy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    called = ckptrace("ci", *FEW, "--json", "-")
    assert called.json["exit_code"] == 1
    assert "FAILED  scenarios/racy.toml" in called.err
    assert "::error file=save.py" in called.err


def test_the_same_seed_gives_the_same_findings(ckptrace: Command, racy: Path) -> None:
    first, second = (cases(ckptrace, "--seed", "3")[1]["racy.toml"]["result"] for _ in range(2))
    assert (first["digest"], first["schedules"]) == (second["digest"], second["schedules"])


def test_a_kept_failure_of_an_unmodified_program_is_replayed_with_the_program(ckptrace: Command) -> None:
    """In processes of their own: the program writes to the real standard output."""
    ckptrace.write("train.py", PROGRAM)
    command = [Path(sysconfig.get_path("scripts")) / "ckptrace"]
    search: list[Path | str] = [*command, "run", "--nodes", "2", "--watch", "out", "--", sys.executable, "train.py"]
    found = subprocess.run(search, cwd=ckptrace.directory, capture_output=True, text=True)
    assert found.returncode == 1, found.stderr
    (trace,) = ckptrace.traces()
    again = subprocess.run([*command, "ci", trace, "--json", "-"], cwd=ckptrace.directory, capture_output=True)
    assert again.returncode == 1
    (case,) = json.loads(again.stdout)["cases"]
    assert case["said"].startswith("violated no-error: rank ")
    assert case["result"]["coverage"] == "replayed with the program itself: 1 schedule"
