"""Writers of torch itself and of safetensors, unmodified, under ``ckptrace run``: held and shown call by call."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.record import trace_of
from simulator.campaigns.command.steering import confirm_races
from simulator.campaigns.replay.racing import races_of
from simulator.layouts.on_disk import is_whole
from simulator.operations import paths_of
from simulator.scenario import Cluster, CommandChoice, Scenario
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from tests.interposition.kernel import holds

pytestmark = [pytest.mark.real, holds]


@pytest.fixture
def job(tmp_path: Path) -> Iterator[CommandExperiment]:
    """Two ranks on two nodes, with the torch and safetensors of this environment."""
    words = (sys.executable, str(Path(__file__).with_name("save_dcp.py")), str(tmp_path / "out"))
    choice = CommandChoice(words, str(tmp_path / "out"), str(tmp_path), arm="start")
    with CommandExperiment(Scenario(cluster=Cluster(2, 1), command=choice)) as under_test:
        yield under_test


def test_each_operation_of_dcp_torch_and_safetensors_is_shown(job: CommandExperiment) -> None:
    run = job.run(TapeReplay(Tape()))
    assert run.violation is None
    for rank in range(2):
        steps = [step for step in run.attempts[0].steps if step.rank == rank]
        said = [" ".join([type(step.operation).__name__, *paths_of(step.operation)]) for step in steps]
        shard = said.index(f"Open checkpoint-1/__{rank}_0.distcp")
        assert "Write" in said[shard:]
        assert "Fsync" in said[shard:]
        assert f"Open rank-{rank}.pt" in said
        assert f"Rename .tmp*{rank}.0 rank-{rank}.safetensors" in said, "Rust's writer"
        assert ("Rename checkpoint-1/.metadata.tmp checkpoint-1/.metadata" in said) == (rank == 0)
    assert is_whole(job.directory / "checkpoint-1", 2)


def test_the_collectives_of_dcp_order_what_its_ranks_write_before_its_metadata(job: CommandExperiment) -> None:
    job.run(TapeReplay(Tape()))
    trace = trace_of(job, job.run(TapeReplay(Tape())))
    assert {meeting.name for meeting in trace.attempts[0].meetings} >= {"gather_object", "barrier"}
    assert {race.first.operation for race in races_of(trace)} == {"mkdir checkpoint-1"}
    found = confirm_races(job, schedules=20)
    assert [each.outcome for each in found.races] == ["passes"]
