"""The incident gives both its messages, and the remedies hold. The old bugs one by one: ``test_corpus``."""

from __future__ import annotations

import os
from typing import Any

import pytest

import simulator
from simulator.campaigns.result import Result
from simulator.faults import Faults
from simulator.rank import Rank
from simulator.scenario import Cluster, Scenario, StrategyChoice, Workload

REMEDIES = ["staged-barrier", "per-node-dirs", "manifest", "incremental"]


def explored(
    name: str,
    *,
    judged: list[str] | None = None,
    job_death: bool = True,
    kills: int = 1,
    cluster: tuple[int, int] = (2, 1),
    steps: int = 2,
    schedules: int = 1500,
    layout: str = "ddp",
    seed: int = 0,
    best: int | None = None,
    frozen: bool = False,
    **options: Any,
) -> Result:
    scenario = Scenario(
        cluster=Cluster(*cluster),
        workload=Workload(layout=layout, steps=steps, keep=1, best=best, frozen=frozen),
        strategy=StrategyChoice(name, options),
        faults=Faults(kills=kills, job_death=job_death),
        restarts=1 if kills else 0,
        invariants=None if judged is None else tuple(judged),
    )
    return simulator.explore(scenario, schedules=schedules, seed=seed)


def test_both_messages_of_the_72b_incident_are_found() -> None:
    seen = set()
    for seed in range(8):
        result = explored("transformers-4.49-dev-35580", judged=["no-error"], cluster=(2, 2), kills=0, seed=seed)
        assert result.failure is not None
        seen.add(result.failure.error.split(" raised ")[1].split(":")[1].strip())
    assert {"[Errno 39] Directory not empty", "[Errno 2] No such file or directory"} <= seen


@pytest.mark.parametrize("name", REMEDIES)
def test_a_remedy_holds_in_six_hundred_schedules_with_job_death_and_a_rank_kill(name: str) -> None:
    for cluster, layout, schedules in (((2, 1), "ddp", 400), ((2, 2), "zero", 200)):
        result = explored(name, schedules=schedules, cluster=cluster, layout=layout, frozen=layout == "ddp")
        assert (result.verdict, result.failure) == ("clean", None)
        assert result.schedules == schedules


@pytest.mark.parametrize("name", REMEDIES)
def test_a_remedy_keeps_the_best_checkpoint(name: str) -> None:
    assert explored(name, steps=4, best=1, schedules=150).verdict == "clean"


@pytest.mark.slow
@pytest.mark.parametrize("name", REMEDIES)
def test_a_remedy_holds_in_fifty_thousand_schedules(name: str) -> None:
    for seed, (cluster, layout, steps) in enumerate(
        [((2, 1), "ddp", 2), ((2, 2), "zero", 2), ((1, 2), "ddp", 3), ((3, 1), "zero", 3), ((2, 1), "ddp", 4)]
    ):
        result = explored(name, schedules=10_000, cluster=cluster, layout=layout, steps=steps, seed=seed, best=1)
        assert (result.verdict, result.failure) == ("clean", None)


def test_an_invariant_is_asked_again_when_a_rank_has_returned_though_no_file_has_changed() -> None:
    def program(rank: Rank) -> None:
        os.path.exists(rank.root / "done")
        if rank.index:
            os.mkdir(rank.root / "done")

    def returned_before(world: Any) -> str | None:
        return "too early" if 0 in world.returned and "done" not in os.listdir(world.root) else None

    for search in (simulator.explore, simulator.certify):
        result = search(program, nodes=2, invariants=[returned_before])
        assert result.verdict == "violated"


def test_an_invariant_that_compares_times_is_asked_again_when_nothing_but_a_time_has_changed() -> None:
    def program(rank: Rank) -> None:
        for name in ("a", "b") if rank.index == 0 else ():
            (rank.root / name).mkdir()
        rank.barrier()
        if rank.index == 0:
            os.utime(rank.root / "a")
            os.utime(rank.root / "b")

    def b_is_newer(world: Any) -> str | None:
        times = [os.stat(world.root / name).st_mtime for name in ("a", "b") if (world.root / name).exists()]
        return "a is newer" if sorted(times) != times else None

    for search in (simulator.explore, simulator.certify):
        result = search(program, nodes=2, invariants=[b_is_newer])
        assert result.verdict == "violated"
