"""ckptrace init, schema and completion: what a project begins with, and what tools build on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from simulator.cli import init
from tests.cli.commands import Command

FIXTURES = Path(__file__).parents[2] / "fixtures"


def test_what_is_written_runs_as_it_is(ckptrace: Command) -> None:
    called = ckptrace("init")
    assert (called.code, called.err) == (0, "")
    for name in ("scenarios/two-nodes.toml", "tests/test_checkpoint_races.py", ".github/workflows/ckptrace.yml"):
        assert f"wrote   {name}\n" in called.out
        assert (ckptrace.directory / name).is_file()
    assert ckptrace("ci", "--schedules", "20").code == 0
    assert ckptrace("explore", "scenarios/two-nodes.toml", "--schedules", "5").code == 0
    command = [sys.executable, "-m", "pytest", "-q", "--ckptrace-schedules", "20", "-p", "no:cacheprovider"]
    ended = subprocess.run(command, cwd=ckptrace.directory, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_nothing_is_overwritten(ckptrace: Command) -> None:
    (ckptrace.directory / "scenarios").mkdir()
    mine = ckptrace.write("scenarios/two-nodes.toml", "# mine\n")
    called = ckptrace("init", "--ci", "gitlab")
    assert "kept    scenarios/two-nodes.toml, which is there already\n" in called.out
    assert mine.read_text() == "# mine\n"
    assert (ckptrace.directory / ".gitlab-ci.yml").is_file()
    before = {path: path.read_bytes() for path in ckptrace.directory.rglob("*") if path.is_file()}
    assert ckptrace("init", "--ci", "gitlab").out.count("kept ") == 3
    assert before == {path: path.read_bytes() for path in ckptrace.directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", [("init", "nowhere"), ("init", "--ci", "jenkins"), ("schema", "nothing")])
def test_what_there_is_not_is_said_in_a_line(ckptrace: Command, words: tuple[str, ...]) -> None:
    called = ckptrace(*words)
    assert (called.code, called.err.count("\n")) == (2, 1)
    assert words[-1] in called.err


def test_the_workflow_installs_what_is_installed_here(ckptrace: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    class Installed:
        def read_text(self, name: str) -> str:
            return json.dumps(
                {"url": "https://git.example/ckptrace", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}
            )

    monkeypatch.setattr(metadata, "distribution", lambda name: Installed())
    assert init.requirement() == "ckptrace @ git+https://git.example/ckptrace@c0ffee"
    ckptrace("init")
    text = (ckptrace.directory / ".github" / "workflows" / "ckptrace.yml").read_text()
    assert 'CKPTRACE: "ckptrace @ git+https://git.example/ckptrace@c0ffee"' in text


def test_without_a_command_there_is_help(ckptrace: Command) -> None:
    called = ckptrace()
    assert (called.code, called.err) == (0, "")
    assert called.out == ckptrace("--help").out
    assert "\n  explore " in called.out


def test_a_shell_completes_commands() -> None:
    command = [str(Path(sys.executable).with_name("ckptrace"))]
    words = {"_CKPTRACE_COMPLETE": "complete_bash", "COMP_WORDS": "ckptrace ce", "COMP_CWORD": "1"}
    ended = subprocess.run(command, env={**os.environ, **words}, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["certify"]


def schema(ckptrace: Command, what: str) -> Draft202012Validator:
    table: dict[str, Any] = ckptrace("schema", what).json
    Draft202012Validator.check_schema(table)
    return Draft202012Validator(table)


def test_what_is_written_follows_its_schema(ckptrace: Command, racy: Path) -> None:
    result, trace, suite = (schema(ckptrace, what) for what in ("result", "trace", "ci"))
    for words in (("explore", "--program", f"{racy}:saver"), ("explore", "--program", f"{racy}:direct")):
        result.validate(ckptrace(*words, "--schedules", "60", "--json", "-").json)
    result.validate(ckptrace("certify", "--program", f"{racy}:saver", "--json", "-").json)
    for file in ckptrace.traces():
        trace.validate(json.loads(file.read_text()))
        result.validate(ckptrace("replay", file, "--json", "-").json)
        suite.validate(ckptrace("ci", file, "--json", "-").json)
    assert not result.is_valid({"verdict": "red"})


def test_every_scenario_follows_its_schema(ckptrace: Command) -> None:
    valid = schema(ckptrace, "scenario")
    for file in [*(FIXTURES / "scenarios").glob("*.toml"), *(FIXTURES / "corpus").glob("*.toml")]:
        table = tomllib.loads(file.read_text())
        valid.validate(table.get("scenario", table))
    assert not valid.is_valid({"cluster": {"nods": 2}})
