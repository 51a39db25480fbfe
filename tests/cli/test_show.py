"""ckptrace show, strategies, and what comes before a command."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from simulator import registry, trace as traces
from tests.cli.commands import Command
from tests.reports.recordings import Recording, second_rename_fails


@pytest.fixture
def recorded(ckptrace: Command) -> Path:
    path = ckptrace.directory / "trace.json"
    traces.save(second_rename_fails(4), path)
    return path


def test_a_trace_is_shown_with_its_reason_and_lanes(ckptrace: Command, recorded: Path) -> None:
    called = ckptrace("show", recorded)
    assert (called.code, called.err) == (0, "")
    assert called.out.startswith("violated  no-error: a rank raised")
    assert "With B before A no rank raises." in called.out


def test_nothing_is_left_out_when_all_is_asked_for(ckptrace: Command) -> None:
    job = Recording(2)
    for number in range(300):
        job.do(number % 2, "mkdir", f"d{number}", 0o777, None)
    job.end()
    traces.save(job.trace(), ckptrace.directory / "long.json")
    assert "left out" in ckptrace("show", "long.json").out
    whole = ckptrace("show", "long.json", "--all").out
    assert "left out" not in whole
    assert all(f"d{number}" in whole for number in range(300))


def test_a_page_is_written(ckptrace: Command, recorded: Path) -> None:
    called = ckptrace("show", recorded, "--html", "deep/page.html")
    assert called.code == 0
    page = (ckptrace.directory / "deep" / "page.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "Directory not empty" in page


def test_the_schedule_comes_as_json(ckptrace: Command, recorded: Path) -> None:
    table = ckptrace("show", recorded, "--json", "-").json
    assert (table["verdict"], table["invariant"], table["rank"]) == ("violated", "no-error", 1)
    last = [row for row in table["schedule"] if row.get("mark") == "B"]
    assert [(row["rank"], row["operation"], row["outcome"]) for row in last] == [(1, "rename", "ENOTEMPTY")]


def test_strategies_are_listed_with_what_they_say_of_themselves(ckptrace: Command) -> None:
    called = ckptrace("strategies")
    assert called.code == 0
    for name in registry.names():
        assert name in called.out
    table = ckptrace("strategies", "--json", "-").json["strategies"]
    assert [each["name"] for each in table] == registry.names()
    assert all(each["summary"] for each in table)


def test_the_version_is_printed(ckptrace: Command) -> None:
    called = ckptrace("--version")
    assert (called.code, called.out.split()[0]) == (0, "ckptrace")


@pytest.mark.parametrize("command", ["explore", "replay", "show", "strategies", "demo"])
def test_every_command_has_help_and_takes_json(ckptrace: Command, command: str) -> None:
    called = ckptrace(command, "--help")
    assert (called.code, called.err) == (0, "")
    assert "--json" in called.out


def test_every_command_that_is_offered_is_there(ckptrace: Command) -> None:
    called = ckptrace("--help")
    listed = set(re.findall(r"^  (\w+) {2,}\w", called.out.partition("Commands:")[2], re.MULTILINE))
    assert {"explore", "replay", "run", "show", "strategies", "demo"} <= listed
    assert all(ckptrace(name, "--help").code == 0 for name in listed)


def test_a_trace_file_may_be_read_by_whom_the_umask_says(ckptrace: Command) -> None:
    before = os.umask(0o027)
    try:
        path = ckptrace.directory / "mode.json"
        traces.save(second_rename_fails(), path)
        assert path.stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)
