"""LLaMA-Factory #6882 at its own size: Qwen2.5-VL-72B under ZeRO-3, 32 ranks on 4 nodes."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import msgspec
import pytest

from simulator.boundary import installed
from simulator.campaigns.demonstrating.demonstration import STRATEGY
from simulator.campaigns.scale.at_scale import incident_at_scale, rehearse, run_at_scale
from simulator.campaigns.scale.onlooking import EndOfSaves
from simulator.experiment import Experiment
from simulator.invariants import Violation
from simulator.scenario import Scenario
from simulator.schedulers.random_walk import RandomWalk
from simulator.tape import Tape

REMEDIES = ("staged-barrier", "per-node-dirs", "manifest", "incremental")


def rotating(strategy: str) -> Scenario:
    """The incident's job, three saves long, with one checkpoint kept."""
    scenario = incident_at_scale(strategy)
    return msgspec.structs.replace(
        scenario, workload=msgspec.structs.replace(scenario.workload, steps=3, keep=1), restarts=1
    )


def sampled(scenario: Scenario, schedules: int) -> Iterator[Violation | None]:
    """What each of some random walks violates, at the size of the job."""
    experiment = Experiment(scenario)
    with installed():
        rehearse(scenario)
        for seed in range(schedules):
            walk = RandomWalk(Random(seed), stay=0.9 if seed % 2 else 0.0)
            yield experiment.run(
                walk, Tape({}), judge_by=lambda filesystem: experiment.judge(filesystem, when=EndOfSaves(experiment))
            ).violation


def test_ranks_die_by_both_messages_of_the_report() -> None:
    messages = [violation.message for violation in sampled(incident_at_scale(STRATEGY), 30) if violation is not None]
    assert len(messages) == 30, "no schedule ends well"
    renames = [text for text in messages if "Errno 39] Directory not empty: 'tmp-checkpoint-" in text]
    assert renames
    assert all("-> 'checkpoint-1'" in text for text in renames)
    assert any("FileNotFoundError: [Errno 2] No such file or directory: " in text for text in messages)


def test_in_the_order_of_the_clock_the_job_dies_and_nothing_is_left_to_resume_from() -> None:
    run = run_at_scale(incident_at_scale(STRATEGY))
    assert run.verdict == "violated"
    assert run.raised["FileNotFoundError: No such file or directory"] > 20
    assert "a restart fails" in run.left


@pytest.mark.parametrize("remedy", REMEDIES)
def test_no_remedy_fails_there_and_each_resumes(remedy: str) -> None:
    run = run_at_scale(rotating(remedy), looks=24)
    assert (run.verdict, run.violation, run.raised) == ("clean", None, {})
    assert [save.step for save in run.saves] == [1, 2, 3]
    assert run.exposed == 0.0
    assert run.resumed is not None
    assert list(sampled(msgspec.structs.replace(rotating(remedy), restarts=0), 3)) == [None] * 3
