"""SARIF: valid by the schema that OASIS publishes, each failure at a line of the project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator

from tests.cli.commands import Command

SCHEMA = json.loads((Path(__file__).parent / "sarif-2.1.0.json").read_text())


def run_of(ckptrace: Command, *arguments: str | Path) -> dict[str, Any]:
    """The one run of the log that a suite leaves."""
    ckptrace("ci", "--schedules", "50", "--no-confirm", "--sarif", "out.sarif", *arguments)
    log = json.loads((ckptrace.directory / "out.sarif").read_text())
    Draft4Validator(SCHEMA).validate(log)
    (run,) = log["runs"]
    return dict(run)


def test_the_schema_finds_a_mistake() -> None:
    assert not Draft4Validator(SCHEMA).is_valid({"version": "2.1.0", "runs": [{}]})


def test_a_failure_is_a_result_at_its_line(ckptrace: Command, sound: Path, racy: Path) -> None:
    run = run_of(ckptrace)
    assert run["invocations"][0]["executionSuccessful"]
    (result,) = run["results"]
    assert result["ruleId"] == run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "no-error"
    (place,) = result["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "save.py"
    assert place["physicalLocation"]["region"]["startLine"] > 1
    assert result["message"]["text"].startswith("violated no-error: rank ")
    assert result["properties"]["trace"].startswith("ckptrace-out/")
    assert list(result["partialFingerprints"]) == ["ckptraceSignature/v1"]


def test_what_could_not_be_run_is_a_notification(ckptrace: Command, sound: Path) -> None:
    ckptrace.write("scenarios/short.toml", 'program = "../save.py:saver"\n[budgets]\noperations = 3\n')
    run = run_of(ckptrace)
    assert run["results"] == []
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["message"]["text"].startswith("incomplete: operations: 3")
    assert notification["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "scenarios/short.toml"


def test_nothing_found_is_a_run_without_results(ckptrace: Command, sound: Path) -> None:
    assert run_of(ckptrace)["results"] == []


@pytest.mark.parametrize("name", ["a b.toml", "ü#%.toml"])
def test_any_name_of_a_file_is_a_uri(ckptrace: Command, racy: Path, name: str) -> None:
    racy.rename(racy.with_name(name)).write_text('program = "../save.py:together"\n')
    run = run_of(ckptrace)
    assert run["invocations"][0]["toolExecutionNotifications"]
