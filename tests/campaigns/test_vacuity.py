"""A job that breaks down undisturbed is neither clean nor certified, whatever is judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import simulator
from simulator.campaigns.result import Result
from simulator.scenario import Scenario, StrategyChoice, Workload

SEARCHES: list[Callable[..., Result]] = [simulator.certify, lambda program, **more: simulator.explore(program, **more)]


class Failing:
    """Raises in its second save, when each rank has written into a directory that is not there."""

    def save(self, rank: Any, state: Any, step: int) -> None:
        (rank.root / f"rank-{rank.index}-of-{rank.world_size}").write_bytes(b"")
        (rank.root / "checkpoint" / "missing").write_bytes(b"")

    def pick(self, rank: Any) -> None:
        return None

    def load(self, rank: Any, checkpoint: Any) -> None:
        return None


def waiting(rank: Any) -> None:
    (rank.root / "both").write_bytes(b"")
    if rank.index == 0:
        rank.barrier()


@pytest.mark.parametrize("search", SEARCHES, ids=["certify", "explore"])
def test_a_rank_that_raises_undisturbed_is_told_when_no_error_is_not_judged(search: Callable[..., Result]) -> None:
    result = search(Failing, nodes=2, invariants=["complete", "keep"])
    assert result.verdict == "incomplete"
    assert result.reason is not None
    assert "rank 0 raises FileNotFoundError" in result.reason
    assert "/dev/null" not in result.reason


@pytest.mark.parametrize("search", SEARCHES, ids=["certify", "explore"])
def test_a_rank_that_waits_for_ever_is_told_when_no_hang_is_not_judged(search: Callable[..., Result]) -> None:
    result = search(waiting, nodes=2, invariants=["no-error"])
    assert result.verdict == "incomplete"
    assert result.reason is not None
    assert "rank 0 does not end even when nothing disturbs it" in result.reason


@pytest.mark.parametrize("search", SEARCHES, ids=["certify", "explore"])
def test_a_job_that_makes_no_save_is_told(search: Callable[..., Result]) -> None:
    result = search(Scenario(workload=Workload(steps=2, save_every=5), strategy=StrategyChoice("staged-barrier")))
    assert result.verdict == "incomplete"
    assert result.reason == "no save was made: workload.save_every is 5, workload.steps 2"
