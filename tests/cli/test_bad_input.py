"""Bad input: one line on stderr that names the offending thing, exit code 2, and nothing is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

import simulator.campaigns.interface
from simulator import trace as traces
from tests.cli.commands import Called, Command
from tests.reports.recordings import second_rename_fails

STRATEGY = ("explore", "--strategy", "staged-barrier", "--schedules", "3")


def refused(called: Called, *named: str, code: int = 2) -> None:
    assert called.code == code
    assert called.out == ""
    assert called.err.startswith("ckptrace: ")
    assert called.err.count("\n") == 1
    for name in named:
        assert name in called.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("explore --strategy nonsense", "'nonsense'"),
        ("explore --strategy missing.py:Class", "missing.py"),
        ("explore", "--strategy"),
        ("explore --strategy staged-barrier --program x.py:f", "--program"),
        ("explore --strategy staged-barrier --nodes 0", "cluster.nodes"),
        ("explore --strategy staged-barrier --ranks-per-node -1", "cluster.ranks_per_node"),
        ("explore --strategy staged-barrier --nodes two", "--nodes"),
        ("explore --strategy staged-barrier --steps 0", "workload.steps"),
        ("explore --strategy staged-barrier --save-every 0", "workload.save_every"),
        ("explore --strategy staged-barrier --keep 0", "workload.keep"),
        ("explore --strategy staged-barrier --keep some", "--keep"),
        ("explore --strategy staged-barrier --kills -1", "faults.kills"),
        ("explore --strategy staged-barrier --restarts -2", "restarts"),
        ("explore --strategy staged-barrier --fs floppy", "floppy"),
        ("explore --strategy staged-barrier --layout nonsense", "workload.layout"),
        ("explore --strategy staged-barrier --form nonsense", "workload.form"),
        ("explore --strategy staged-barrier --invariants nonsense", "invariants"),
        ("explore --strategy staged-barrier --option nonsense=1", "'nonsense'"),
        ("explore --strategy staged-barrier --option fsync", "--option"),
        ("explore --strategy staged-barrier --option fsync=maybe", "'fsync'"),
        ("explore --strategy staged-barrier --option fsync=true --option fsync=false", "'fsync'"),
        ("explore --strategy staged-barrier --pick x.py:f", "pick"),
        ("explore --strategy staged-barrier --scheduler nonsense", "nonsense"),
        ("explore --strategy staged-barrier --schedules 0", "--schedules"),
        ("explore --strategy staged-barrier --for soon", "--for"),
        ("explore --strategy staged-barrier --for 0s", "--for"),
        ("explore --strategy staged-barrier --for -5s", "--for"),
        ("explore --program nowhere", "program"),
        ("explore --program missing.py:saver", "missing.py"),
        ("explore --program missing.py:saver --option a=b", "--option"),
        ("explore --bogus", "--bogus"),
        ("explore missing.toml", "missing.toml"),
        ("replay missing.json", "missing.json"),
        ("show missing.json", "missing.json"),
        ("nonsense", "nonsense"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(ckptrace: Command, arguments: str, named: str) -> None:
    refused(ckptrace(*arguments.split()), named)
    assert list(ckptrace.directory.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("cluster = ", "job.toml"),
        ("clusters = 1", "clusters"),
        ("[cluster]\nnodes = 'two'\n[strategy]\nname = 'manifest'", "nodes"),
        ("[cluster]\nnodes = 0\n[strategy]\nname = 'manifest'", "cluster.nodes"),
        ("[strategy]\nname = 'manifest'\n[faults]\npower_losses = -1", "faults.power_losses"),
        ("[strategy]\nname = 'manifest'\n[costs]\nprofile = 'nonsense'", "costs.profile"),
        ("[strategy]\nname = 'manifest'\n[budgets]\nwall_seconds = 0.0", "budgets.wall_seconds"),
        ("[strategy]\nname = 'manifest'\n[workload]\nstep_seconds = -1.0", "workload.step_seconds"),
        ("program = 'x.py:f'\n[strategy]\nname = 'manifest'", "strategy and program"),
    ],
)
def test_a_malformed_scenario_is_named(ckptrace: Command, text: str, named: str) -> None:
    ckptrace.write("job.toml", text)
    refused(ckptrace("explore", "job.toml"), named)


def test_a_scenario_that_is_not_text_is_named(ckptrace: Command) -> None:
    (ckptrace.directory / "job.toml").write_bytes(b"\xff\xfe")
    refused(ckptrace("explore", "job.toml"), "job.toml")


@pytest.mark.parametrize("name", ["number", "missing"])
def test_a_program_that_is_no_function_is_named(ckptrace: Command, racy: Path, name: str) -> None:
    refused(ckptrace("explore", "--program", f"racy.py:{name}"), name)


def test_a_program_that_cannot_be_imported_is_named(ckptrace: Command) -> None:
    ckptrace.write("broken.py", "import nonsense_that_is_not_there")
    refused(ckptrace("explore", "--program", "broken.py:saver"), "broken.py", "nonsense_that_is_not_there")


def test_a_place_that_is_not_writable_is_named_before_anything_is_explored(
    ckptrace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explored(*_: object, **__: object) -> None:
        raise AssertionError("explored")

    monkeypatch.setattr(simulator.campaigns.interface, "explore", explored)
    ckptrace.write("file", "content")
    (ckptrace.directory / "directory").mkdir()
    # Root may write into any directory that has a disk behind it; /proc has none, whoever asks.
    refused(ckptrace(*STRATEGY, "--out", "/proc/ckptrace/out"), "/proc")
    refused(ckptrace(*STRATEGY, "--out", "file"), "file")
    refused(ckptrace(*STRATEGY, "--out", "file/deep"), "file")
    refused(ckptrace(*STRATEGY, "--json", "file/result.json"), "file")
    refused(ckptrace(*STRATEGY, "--json", "directory"), "directory")
    assert (ckptrace.directory / "file").read_text() == "content"


@pytest.fixture
def recorded(ckptrace: Command) -> Path:
    path = ckptrace.directory / "trace.json"
    traces.save(second_rename_fails(), path)
    return path


@pytest.mark.parametrize("command", ["show", "replay"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"format": 1', '"format": 99'),
        ('"format": 1', '"format": "one"'),
        ('"mkdir"', '"rmdir"'),
        ('"events"', '"incidents"'),
        ('"nodes": 2', '"nodes": "two"'),
    ],
)
def test_a_corrupt_or_newer_trace_is_named(
    ckptrace: Command, recorded: Path, command: str, before: str, after: str
) -> None:
    text = recorded.read_text()
    assert before in text
    recorded.write_text(text.replace(before, after, 1))
    refused(ckptrace(command, recorded), "trace.json")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe\x00", b'{"format": 1}'])
def test_what_is_no_trace_is_named(ckptrace: Command, content: bytes) -> None:
    (ckptrace.directory / "trace.json").write_bytes(content)
    refused(ckptrace("show", "trace.json"), "trace.json")


def test_a_torn_trace_is_named_and_left_as_it_is(ckptrace: Command, recorded: Path) -> None:
    half = recorded.read_bytes()[:1000]
    recorded.write_bytes(half)
    refused(ckptrace("replay", recorded), "trace.json")
    assert recorded.read_bytes() == half


def test_options_of_a_replay_are_checked(ckptrace: Command, recorded: Path) -> None:
    refused(ckptrace("replay", recorded, "--on", "paper"), "--on")
    refused(ckptrace("replay", recorded, "--dir", "."), "--dir")


def test_a_page_that_cannot_be_written_is_named(ckptrace: Command, recorded: Path) -> None:
    refused(ckptrace("show", recorded, "--html", recorded / "page.html"), "trace.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "clusters = 1",
            "unknown field `clusters`; its keys are cluster, workload, strategy, program, command, pick, ",
        ),
        ("[cluster]\nnode = 1", "unknown field `node` - at `$.cluster`; its keys are nodes, ranks_per_node"),
        ("[strategy]\nname = 'a'\noption = 1", "unknown field `option` - at `$.strategy`; its keys are name, options"),
        (
            "[[faults.errors]]\noperation = 'write'\nerrno = 'EIO'\npattern = '*'",
            "unknown field `pattern` - at `$.faults.errors[0]`; its keys are operation, errno, path, count",
        ),
    ],
)
def test_an_unknown_key_is_named_beside_the_known_ones(ckptrace: Command, text: str, said: str) -> None:
    path = ckptrace.write("scenario.toml", text)
    called = ckptrace("explore", path)
    assert called.code == 2
    assert said in called.err
