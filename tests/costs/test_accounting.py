"""What a run at scale says of each rank and node, and which waits it warns of."""

from __future__ import annotations

import msgspec
import pytest

from simulator.campaigns.scale.at_scale import incident_at_scale, run_at_scale
from simulator.campaigns.scale.scale_result import ScaleResult
from simulator.scenario import Cluster, CostChoice, Scenario

WEIGHTS = 146_821_554_688
OPTIMIZER = 12 * 73_410_777_344


def job(strategy: str, **overrides: float) -> Scenario:
    scenario = incident_at_scale(strategy)
    return msgspec.structs.replace(
        scenario,
        cluster=Cluster(nodes=2, ranks_per_node=4),
        workload=msgspec.structs.replace(scenario.workload, steps=2, keep=1),
        costs=CostChoice("lustre", overrides),
        restarts=1,
    )


@pytest.fixture(scope="module")
def run() -> ScaleResult:
    return run_at_scale(job("staged-barrier"))


def test_every_rank_and_node_is_accounted_for(run: ScaleResult) -> None:
    assert (len(run.usage), len(run.nodes), len(run.host_memory)) == (8, 2, 2)
    written = sum(rank.bytes_written for rank in run.usage)
    assert written == pytest.approx(2 * (WEIGHTS + OPTIMIZER), rel=0.001)
    assert sum(node.bytes_written for node in run.nodes) == written
    assert sum(flow.size for flow in run.flows if flow.write) == pytest.approx(written, rel=0.001)
    assert run.usage[0].bandwidth == pytest.approx(0.5, rel=0.4)


def test_both_checkpoints_are_held_until_the_older_one_is_deleted(run: ScaleResult) -> None:
    assert run.storage_peak == pytest.approx(2 * (WEIGHTS + OPTIMIZER), rel=0.001)


def test_the_first_node_holds_the_gathered_model(run: ScaleResult) -> None:
    assert run.host_memory[0] == pytest.approx(WEIGHTS, rel=0.001)
    assert run.host_memory[1] == 0


def test_resuming_takes_as_long_as_the_nodes_need_to_read(run: ScaleResult) -> None:
    assert run.resumed is not None
    assert run.resumed.loading == pytest.approx(OPTIMIZER / 2 / 1.25e9, rel=0.01)
    assert 0 < run.resumed.looking < 1
    assert run.resumed.size == pytest.approx(OPTIMIZER, rel=0.001)


def test_a_job_that_lost_its_checkpoint_does_not_resume() -> None:
    assert run_at_scale(job("transformers-4.36.0")).resumed is None


def test_a_wait_beyond_the_time_out_is_warned_of_and_the_time_out_is_a_figure(run: ScaleResult) -> None:
    assert run.warnings == []
    (slow,) = run_at_scale(job("staged-barrier", safetensors_stream=0.1)).warnings
    assert "7 of 8 ranks wait longer in a collective than its time-out of 600 s" in slow
    assert run_at_scale(job("staged-barrier", safetensors_stream=0.1, collective_timeout=1800.0)).warnings == []
