"""``ckptrace fuzz`` in this process: what it takes, what it says, and how it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from simulator.campaigns.fuzzing.corpus import FORMAT
from tests.cli.commands import Called, Command
from tests.cli.conftest import ckptrace  # noqa: F401  a fixture
from tests.fuzzing.scenarios import PROGRAMS

LIMITED = ("--workers", "1", "--no-confirm", "--schedules")
FIELDS = {
    "version", "format", "verdict", "invariant", "schedules", "operations", "states", "seconds", "seed", "classes",
    "blocked", "digest", "coverage", "reason", "scenario", "failure",
}  # fmt: skip
"""What REFERENCE.md documents of the ``--json`` of any search."""


@pytest.fixture
def command(ckptrace: Command) -> Command:  # noqa: F811
    """The command in a directory with programs, and scenario files of two of them."""
    ckptrace.write("programs.py", PROGRAMS)
    (ckptrace.directory / "jobs").mkdir()
    for name in ("racy", "sound"):
        ckptrace.write(f"jobs/{name}.toml", f'program = "programs.py:{name}"\n')
    return ckptrace


def same_failure(first: Any, second: Any) -> bool:
    return (first["signature"], first["schedule"], first["trace"]) == (
        second["signature"], second["schedule"], second["trace"],
    )  # fmt: skip


def test_a_directory_of_scenarios_is_fuzzed_and_summed_up(command: Command) -> None:
    called = command("fuzz", "jobs", *LIMITED, "80")
    assert called.code == 1
    assert called.out.startswith("violated  fuzzed: 2 scenarios, 80 schedules")
    assert " violated " in next(line for line in called.out.splitlines() if line.startswith("racy "))
    assert " clean " in next(line for line in called.out.splitlines() if line.startswith("sound "))
    traces = sorted((command.directory / ".ckptrace" / "fuzz").glob("racy-*/failures/*.json"))
    assert traces
    for trace in traces:
        assert f"ckptrace replay {trace.relative_to(command.directory)}" in called.out
        assert command("replay", trace).code == 1
    assert called.err.startswith("fuzzing    2 scenarios, 1 worker, 80 schedules; Ctrl-C ends it\n")
    assert called.err.count("found  ") == called.err.count("minimised  ") == len(traces)


def test_json_has_the_documented_fields_and_each_scenario_its_own(command: Command) -> None:
    called = command("fuzz", "jobs", *LIMITED, "80", "--json", "-")
    table = called.json
    assert table.keys() >= FIELDS
    assert (table["verdict"], table["invariant"], table["schedules"]) == ("violated", "no-error", 80)
    racy, sound = table["scenarios"]
    assert (racy["name"], sound["name"]) == ("racy", "sound")
    for scenario in (racy, sound):
        assert scenario.keys() >= FIELDS
    assert racy["schedules"] + sound["schedules"] == 80
    assert same_failure(table["failure"], racy["failures"][0])
    assert table["digest"] == racy["digest"]
    assert (sound["verdict"], sound["failures"], sound["failure"]) == ("clean", [], None)
    for failure in racy["failures"]:
        assert Path(failure["trace"]).exists()
        assert failure["explanation"]
        assert not failure["known"]


def test_one_scenario_gives_one_object_like_any_other_search(command: Command) -> None:
    table = command("fuzz", "jobs/sound.toml", *LIMITED, "30", "--json", "-").json
    assert table["scenario"]["program"] == "programs.py:sound"
    assert table["digest"] == table["scenarios"][0]["digest"]
    assert table["failure"] is None
    written = command("fuzz", "jobs/sound.toml", *LIMITED, "30", "--json", "deep/out.json")
    assert written.out.startswith("clean")
    assert msgspec.json.decode((command.directory / "deep" / "out.json").read_bytes())["verdict"] == "clean"


def test_the_same_seed_gives_the_same_failures(command: Command) -> None:
    tables = [
        command("fuzz", "jobs", *LIMITED, "60", "--seed", seed, "--corpus", where, "--json", "-").json
        for seed, where in (("4", "a"), ("4", "b"), ("5", "c"))
    ]
    told = [
        [(each["digest"], each["pairs"], [f["schedule"] for f in each["failures"]]) for each in table["scenarios"]]
        for table in tables
    ]
    assert told[0] == told[1] != told[2]
    assert tables[2]["seed"] == 5


def test_options_alone_name_what_is_fuzzed_and_override_files(command: Command) -> None:
    table = command("fuzz", "--program", "programs.py:racy", "--nodes", "3", *LIMITED, "20", "--json", "-").json
    assert table["scenarios"][0]["name"] == "programs.py:racy"
    assert table["scenario"]["cluster"]["nodes"] == 3
    table = command("fuzz", "jobs", "--nodes", "3", *LIMITED, "4", "--json", "-").json
    assert [each["scenario"]["cluster"]["nodes"] for each in table["scenarios"]] == [3, 3]


def test_a_case_of_the_corpus_of_bugs_is_a_scenario_too_and_a_file_is_taken_once(command: Command) -> None:
    command.write("jobs/case.toml", 'title = "a bug"\n[scenario]\nprogram = "programs.py:racy"\nrestarts = 1\n')
    table = command("fuzz", "jobs", "jobs/case.toml", "./jobs/case.toml", *LIMITED, "30", "--json", "-").json
    assert [each["name"] for each in table["scenarios"]] == ["case", "racy", "sound"]
    assert table["scenarios"][0]["scenario"]["restarts"] == 1


def test_fuzzing_for_some_time_ends(command: Command) -> None:
    table = command("fuzz", "jobs/sound.toml", "--for", "300ms", "--workers", "1", "--json", "-").json
    assert (table["verdict"], table["ended"]) == ("clean", "time is up")
    assert table["schedules"] >= 1
    assert table["seconds"] >= 0.3


def test_a_failure_is_confirmed_on_a_disk_unless_told_otherwise(command: Command) -> None:
    table = command("fuzz", "jobs/racy.toml", "--workers", "1", "--schedules", "12", "--json", "-").json
    assert {failure["confirmation"] for failure in table["scenarios"][0]["failures"]} == {"confirmed"}
    said = command("fuzz", "jobs/racy.toml", *LIMITED, "1").out
    assert "confirmed on" in said
    assert "found in an earlier session" in said


def test_what_could_not_be_fuzzed_is_no_success(command: Command) -> None:
    command.write("jobs/idle.toml", 'program = "programs.py:idle"\n')
    called = command("fuzz", "jobs/idle.toml", "jobs/sound.toml", *LIMITED, "40")
    assert called.code == 3
    assert "idle: none of 2 ranks made a call about a file" in called.out


def refused(called: Called, named: str) -> None:
    assert called.code == 2
    assert (called.out, called.err.count("\n")) == ("", 1)
    assert called.err.startswith("ckptrace: ")
    assert named in called.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("fuzz", "nothing to test"),
        ("fuzz missing.toml", "missing.toml: No such file"),
        ("fuzz jobs missing", "missing: No such file"),
        ("fuzz empty", "empty: no scenario files"),
        ("fuzz broken", "broken/bad.toml"),
        ("fuzz unknown", "none: unknown strategy 'nonsense'"),
        ("fuzz torn", "torn/torn.toml"),
        ("fuzz jobs --schedules 0", "--schedules"),
        ("fuzz jobs --workers 0", "--workers"),
        ("fuzz jobs --for soon", "--for"),
        ("fuzz jobs --nodes 0", "cluster.nodes"),
        ("fuzz jobs --corpus programs.py", "programs.py: Not a directory"),
        ("fuzz jobs --corpus jobs", "jobs: neither empty nor a corpus"),
        ("fuzz jobs --corpus newer", "a newer ckptrace wrote"),
        ("fuzz jobs --json jobs", "jobs: Is a directory"),
    ],
)
def test_bad_input_is_named_in_one_line(command: Command, arguments: str, named: str) -> None:
    for name in ("empty", "broken", "unknown", "torn", "newer"):
        (command.directory / name).mkdir()
    command.write("broken/bad.toml", "clusters = 1\n")
    command.write("unknown/none.toml", '[strategy]\nname = "nonsense"\n')
    command.write("torn/torn.toml", "[strategy\n")
    command.write("newer/corpus.json", f'{{"format": {FORMAT + 1}}}')
    refused(command(*arguments.split(" ")), named)
    assert not (command.directory / ".ckptrace").exists()
