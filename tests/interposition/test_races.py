"""From one recorded run: which operations race, told apart by the collectives, and what becomes of the other order."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import simulator
from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.meetings import pasts
from simulator.campaigns.command.record import trace_of
from simulator.campaigns.command.replaying import replay
from simulator.campaigns.command.steering import Steering, confirm_races
from simulator.campaigns.replay.racing import missing_from, races_of
from simulator.cli.application import run as ckptrace
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from simulator.trace import Meeting, Trace, load, save
from strategies.transformers_4_36_0 import EveryRankRenames
from tests.interposition.kernel import holds
from tests.interposition.programs import FIXED, RACY, experiment

COLLECTIVES = """
    import os, socket, time
    def init_process_group(): pass
    def get_rank(group=None): return int(os.environ["RANK"])
    def get_backend(group=None): return "gloo"
    def get_process_group_ranks(group=None): return list(range(int(os.environ["WORLD_SIZE"])))
    def barrier(group=None, async_op=False):
        place = "127.0.0.1", int(os.environ["MASTER_PORT"])
        if get_rank() == 0:
            with socket.create_server(place) as server:
                guest = server.accept()[0]
            guest.sendall(b"go")
            guest.close()
            return
        while True:
            try:
                with socket.create_connection(place) as host:
                    host.recv(2)
                return
            except ConnectionRefusedError:
                time.sleep(0.01)
"""
"""Stands in for torch, whose import takes longer than everything else here; ``make test-real`` has the real one."""


def recorded(under_test: CommandExperiment) -> Trace:
    return trace_of(under_test, under_test.run(TapeReplay(Tape())))


def steered(under_test: CommandExperiment, schedules: int = 100) -> Steering:
    with under_test:
        return confirm_races(under_test, schedules=schedules)


def pairs(trace: Trace) -> set[tuple[str, str]]:
    return {(race.first.operation, race.second.operation) for race in races_of(trace)}


@holds
def test_the_race_of_a_program_is_confirmed_from_a_run_that_passes(tmp_path: Path) -> None:
    found = steered(experiment(tmp_path, RACY))
    assert found.recorded.verdict is None, "the recorded run passes"
    confirmed = {
        (each.race.first.operation, each.race.second.operation) for each in found.races if each.outcome == "confirmed"
    }
    assert confirmed == {("rename tmp-checkpoint-1 → checkpoint-1", "stat tmp-checkpoint-1")}
    failure = found.result.failure
    assert failure is not None
    assert "FileNotFoundError" in failure.error
    assert replay(failure.trace, strict=True).digest == failure.trace.digest


@holds
def test_a_race_that_only_a_run_with_a_pair_reversed_has_is_confirmed(tmp_path: Path) -> None:
    """Undisturbed, rank 0 finds nothing to rename; the reversal of that one pair alone does no harm either."""
    body = """
    latest = os.path.join(root, "latest.tmp")
    if rank == 1:
        open(latest, "x").close()
    if os.path.exists(latest):
        os.replace(latest, os.path.join(root, "latest"))
    """
    found = steered(experiment(tmp_path, body, arm="start"))
    assert found.recorded.verdict is None
    assert all(each.outcome != "confirmed" for each in found.races if not each.depth)
    assert found.result.verdict == "violated"
    assert any(each.outcome == "confirmed" for each in found.races if each.depth)
    failure = found.result.failure
    assert failure is not None
    assert replay(failure.trace, strict=True).digest == failure.trace.digest


@holds
@pytest.mark.parametrize("warm", [True, False], ids=["forked", "started anew"])
def test_a_rank_that_only_looks_is_held_from_its_look_on(tmp_path: Path, warm: bool) -> None:
    """A look raises no audit event; undisturbed, rank 1 does nothing else."""
    body = """
    latest = os.path.join(root, "latest.tmp")
    if rank == 0:
        open(latest, "x").close()
    if os.path.exists(latest):
        os.replace(latest, os.path.join(root, "latest"))
    """
    found = steered(experiment(tmp_path, body, warm=warm, arm="late"))
    assert [event.kind for event in found.recorded.attempts[0].events if event.rank == 1] == ["stat"]
    assert found.result.verdict == "violated"


@holds
def test_what_something_unseen_orders_is_refuted(tmp_path: Path) -> None:
    """The barrier is one over TCP, which nobody announces."""
    found = steered(experiment(tmp_path, FIXED))
    outcomes = {(each.race.first.operation, each.race.second.operation): each.outcome for each in found.races}
    assert outcomes["mkdir tmp-checkpoint-1", "mkdir tmp-checkpoint-1"] == "passes"
    moved = [outcome for (_, second), outcome in outcomes.items() if second.startswith("rename")]
    assert moved
    assert set(moved) == {"ordered"}
    assert found.result.verdict == "clean"


@holds
def test_a_limit_that_was_reached_is_no_pass(tmp_path: Path) -> None:
    found = steered(experiment(tmp_path, FIXED), schedules=2)
    assert found.result.verdict == "incomplete"
    assert {each.outcome for each in found.races} == {"not tried"}


@holds
def test_a_collective_is_announced_and_orders_what_is_around_it(tmp_path: Path) -> None:
    module = tmp_path / "torch" / "distributed" / "distributed_c10d.py"
    module.parent.mkdir(parents=True)
    module.write_text(dedent(COLLECTIVES))
    (tmp_path / "torch" / "__init__.py").touch()
    (module.parent / "__init__.py").write_text("from .distributed_c10d import *\n")
    body = """
    import torch.distributed as dist
    import colorsys
    dist.init_process_group()
    if rank == 1:
        os.mkdir(os.path.join(root, "made"))
    dist.barrier()
    if rank == 0:
        os.rmdir(os.path.join(root, "made"))
    """
    with experiment(tmp_path, body, warm=False) as under_test:
        trace = recorded(under_test)
        again = recorded(under_test)
    assert [(m.rank, m.n, m.name, m.back) for m in trace.attempts[0].meetings] == [
        (0, 0, "barrier", False),
        (0, 0, "barrier", True),
        (1, 1, "barrier", False),
        (1, 1, "barrier", True),
    ]
    assert again == trace
    assert pairs(trace) == set()
    save(trace, tmp_path / "trace.json")
    assert load(tmp_path / "trace.json").attempts == trace.attempts
    for attempt in trace.attempts:
        attempt.meetings.clear()
    assert pairs(trace) == {("mkdir made", "rmdir made")}, "as in a trace that was recorded before"


def met(rank: int, n: int, back: bool, name: str = "barrier", **more: Any) -> Meeting:
    known: dict[str, Any] = {"waits": "all", "group": (0, 1), **more}
    return Meeting(rank, rank, n, name, back=back, **known)


def test_whoever_returns_knows_what_the_others_had_done() -> None:
    came = [met(0, 3, False), met(0, 3, True), met(1, 5, False), met(1, 5, True)]
    assert pasts(came) == {0: {3: [(1, 5)]}, 1: {5: [(0, 3)]}}


def test_a_source_waits_for_nobody() -> None:
    about: dict[str, Any] = {"name": "broadcast", "waits": "from", "one": 1}
    came = [met(0, 3, False, **about), met(0, 3, True, **about), met(1, 5, False, **about), met(1, 5, True, **about)]
    found = pasts(came)
    assert found[0] == {3: [(1, 5)]}
    assert found[1] == {5: []}


def test_what_was_heard_is_passed_on_from_group_to_group() -> None:
    two: dict[str, Any] = {"group": (1, 2)}
    came = [met(0, 4, False), met(0, 4, True), met(1, 0, False), met(1, 0, True)]
    came += [met(1, 0, False, **two), met(1, 0, True, **two), met(2, 1, False, **two), met(2, 1, True, **two)]
    assert pasts(came)[2] == {1: [(0, 4), (1, 0)]}


def test_where_ranks_disagree_nothing_is_claimed() -> None:
    came = [met(0, 3, False), met(0, 3, True), met(1, 5, False, "all_gather"), met(1, 5, True, "all_gather")]
    assert not any(waited for its in pasts(came).values() for waited in its.values())


def test_a_trace_of_a_strategy_has_its_races_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    racy = simulator.explore(EveryRankRenames, nodes=2, schedules=300, invariants=["no-error"])
    assert racy.failure is not None
    file = tmp_path / "trace.json"
    save(racy.failure.trace, file)
    assert ckptrace(["races", str(file)]) == 0
    said = capsys.readouterr().out
    assert "rename tmp-checkpoint" in said
    assert ".py:" in said, "where in the source"
    assert said.endswith(
        "The recorded run ended at its violation of no-error: what would have come later is not in it.\n"
    )


@holds
def test_what_a_recording_lacks_is_said_where_it_stops_early_only(tmp_path: Path) -> None:
    with experiment(tmp_path, FIXED) as under_test:
        whole = under_test.run(TapeReplay(Tape()))
        cut = under_test.run(TapeReplay(Tape()), until=0.0)
        assert missing_from(trace_of(under_test, whole)) is None
        assert "broken off" in str(missing_from(trace_of(under_test, cut)))
    failure = steered(experiment(tmp_path, RACY)).result.failure
    assert failure is not None
    assert "ended at its violation of no-error" in str(missing_from(failure.trace))


def test_races_are_tried_without_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--watch", str(tmp_path / "out"), "--confirm-races", "--kills", "1", "--", "python", "program.py"]
    assert ckptrace(["run", *words]) == 2
    assert "--confirm-races" in capsys.readouterr().err


@holds
def test_a_recording_of_a_program_is_shown_in_other_viewers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    body = """
    os.mkdir(os.path.join(root, str(rank)))
    os.path.exists(os.path.join(root, "0"))
    """
    file, log, chart = (tmp_path / name for name in ("trace.json", "log", "chart.json"))
    with experiment(tmp_path, body) as under_test:
        save(recorded(under_test), file)
    (tmp_path / "program.py").unlink()
    assert ckptrace(["show", str(file), "--shiviz", str(log), "--perfetto", str(chart)]) == 0
    assert capfd.readouterr().err == ""
    clocks = [line.split(" ", 1) for line in log.read_text().splitlines() if line.startswith("rank")]
    for host in ("rank0", "rank1"):
        assert [json.loads(clock)[host] for name, clock in clocks if name == host] == [1, 2]
    assert json.loads(clocks[-1][1]) == {"rank0": 1, "rank1": 2}, "rank 1 has seen what rank 0 made, and no more"
    kinds = {event.get("cat") for event in json.loads(chart.read_text())["traceEvents"]}
    assert "conflict" in kinds
