"""Text from elsewhere is shown and never obeyed; sizes are refused before anything is allocated."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import simulator
from simulator.errors import UsageError
from tests.cli.commands import Command

RAISES = r"""
import os
def job(rank):
    os.mkdir(rank.root / str(rank.index))
    raise ValueError("\x1b[31mred\x00 \x9b2J \ud800 \u202e")
"""


@pytest.fixture
def recorded(ckptrace: Command) -> Path:
    ckptrace.write("job.py", RAISES)
    assert ckptrace("explore", "--program", "job.py:job", "--no-confirm", "--json", "found.json").code == 1
    (trace,) = ckptrace.traces()
    return trace


def test_what_a_terminal_would_obey_is_shown(ckptrace: Command, recorded: Path) -> None:
    for words in (("show",), ("replay",), ("replay", "--strict")):
        called = ckptrace(words[0], recorded, *words[1:])
        assert r"\x1b[31mred\x00 \x9b2J" in called.out
        assert all(c.isprintable() or c == "\n" for c in called.out + called.err)
    ckptrace("show", recorded, "--html", "page.html")
    assert "\x1b" not in (ckptrace.directory / "page.html").read_text()


def test_a_lone_surrogate_stops_no_report(ckptrace: Command, recorded: Path) -> None:
    assert json.loads(Path("found.json").read_text())["failure"]["error"].count("\\ud800") == 1
    assert ckptrace("replay", recorded, "--json", "-").json["verdict"] == "violated"
    written = ("--junit", "junit.xml", "--summary", "summary.md", "--json", "found.json")
    assert ckptrace("ci", recorded, *written).code == 1
    assert "\x1b" not in Path("summary.md").read_text()


def test_an_error_is_one_line_of_text(ckptrace: Command) -> None:
    called = ckptrace("explore", "--strategy", "\x1b[31mred\x00\ud800")
    assert (called.code, called.err.count("\n")) == (2, 1)
    assert called.err.rstrip("\n").isprintable()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[cluster]\nnodes = 1000000000\n", "cluster: 1,000,000,000 ranks need "),
        ("[cluster]\nnodes = 2\nranks_per_node = 4611686018427387904\n", "ranks need "),
        ("[workload]\nsteps = 10000000\n", "workload.steps: 10,000,000 training steps of 2 ranks"),
        ("restarts = 1000000000\n", "restarts: 1,000,000,000 are more than"),
        (f"restarts = {'9' * 5000}\n", "more digits than any machine word"),
        (f"restarts = {2**80}\n", "restarts: no number here has more than 64 bits"),
        (f"restarts = {'[' * 5000}{']' * 5000}\n", "nested too deeply"),
    ],
)
def test_a_size_that_no_machine_holds_is_refused_at_once(ckptrace: Command, text: str, said: str) -> None:
    file = ckptrace.write("s.toml", text + '[strategy]\nname = "staged-barrier"\n')
    began = time.process_time()
    called = ckptrace("explore", file)
    assert (called.code, called.err.count("\n")) == (2, 1)
    assert said in called.err
    assert time.process_time() - began < 2


def test_from_python_and_for_the_shapes_alike(ckptrace: Command) -> None:
    began = time.process_time()
    with pytest.raises(UsageError, match="cluster: 1,000,000,000 ranks need "):
        simulator.explore(lambda rank: None, nodes=10**9)
    called = ckptrace("shapes", "--model", "qwen2.5-vl-72b", "--nodes", "1000000000")
    assert (called.code, called.err.count("\n")) == (2, 1)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "faults", ["kills = 1000000000", "node_hangs = 1000000000", 'errors = [{operation = "write", count = 1000000000}]']
)
def test_more_faults_than_there_are_operations_cost_no_more(ckptrace: Command, faults: str) -> None:
    strategy = '[strategy]\nname = "staged-barrier"\n'
    file = ckptrace.write("s.toml", f'invariants = ["complete"]\n{strategy}[faults]\n{faults}\n')
    began = time.process_time()
    assert ckptrace("explore", file, "--schedules", "5", "--no-confirm").code in (0, 1)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arguments": []}, "mkdir has 1 to 3 arguments, not 0"),
        ({"arguments": [5, 511, None]}, "mkdir, path: Expected `str`, got `int`"),
        ({"kind": "exec"}, "there is no operation 'exec'"),
        ({"rank": 7}, "step 0: rank 7"),
        ({"n": -1}, "operation -1"),
    ],
)
def test_a_step_that_no_run_can_have_is_named(
    ckptrace: Command, recorded: Path, change: dict[str, object], said: str
) -> None:
    table = json.loads(recorded.read_text())
    table["attempts"][0]["events"][0] |= change
    recorded.write_text(json.dumps(table))
    called = ckptrace("show", recorded)
    assert (called.code, called.err.count("\n")) == (2, 1)
    assert f"{recorded}: not a valid trace: attempt 0, step 0: " in called.err
    assert said in called.err


@pytest.mark.parametrize("command", ["show", "replay"])
def test_an_explanation_whose_step_has_no_attempt_is_refused(ckptrace: Command, recorded: Path, command: str) -> None:
    table = json.loads(recorded.read_text())
    table["explanation"] = {"first": {"atempt": 0, "position": 0}}
    recorded.write_text(json.dumps(table))
    called = ckptrace(command, recorded)
    assert (called.code, called.err.count("\n")) == (2, 1)
    assert f"{recorded}: not a valid trace: Object missing required field `attempt`" in called.err
