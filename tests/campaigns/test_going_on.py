"""A search that sets a failure aside finds what comes after it, and says what it could not see."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import simulator
from simulator.errors import UsageError
from simulator.invariants.violation import NAMES, gravity_of
from simulator.rank import Rank
from simulator.scenario import Cluster, Scenario
from simulator.trace import load, save

TORN = "a marker without data"


def two_races(rank: Rank) -> None:
    """Either rank may find the staging directory gone, always; and behind that, rank 1 may see half a save."""
    staging = rank.root / "staging"
    os.makedirs(staging, exist_ok=True)
    if rank.index == 0:
        (rank.root / "marker").write_bytes(b"")
        (rank.root / "data").write_bytes(b"")
    elif (rank.root / "marker").exists():
        assert (rank.root / "data").exists(), TORN
    rank.barrier()
    os.rmdir(staging)


def always_fails(rank: Rank) -> None:
    (rank.root / "a").mkdir(exist_ok=True)
    (rank.root / "b" / "c").mkdir()


def errors(result: simulator.Result) -> list[str]:
    return [failure.error for failure in result.failures]


def test_a_failure_hides_another_and_the_result_says_so() -> None:
    first = simulator.explore(two_races, schedules=300)
    assert len(first.failures) == 1
    assert first.failure is first.failures[0]
    assert first.hidden is not None
    assert "after 1 of 300 schedules" in first.hidden
    assert "--go-on" in first.hidden


def test_going_on_finds_each_failure_once_and_each_replays(tmp_path: Path) -> None:
    result = simulator.explore(two_races, schedules=300, go_on=True)
    assert result.verdict == "violated"
    assert result.schedules == 300
    assert len(errors(result)) == 2
    assert any(TORN in error for error in errors(result))
    assert result.failure is result.failures[0]
    for failure in result.failures:
        save(failure.trace, tmp_path / "trace.json")
        for on in ("model", "real"):
            again = simulator.replay(load(tmp_path / "trace.json"), on=on)
            assert again.failure is not None
            assert again.failure.error == failure.error
            assert again.digest == failure.trace.digest


def test_a_failure_that_no_schedule_comes_past_is_named_as_what_hides_the_rest() -> None:
    result = simulator.explore(always_fails, schedules=20, go_on=True)
    assert len(result.failures) == 1
    assert result.hidden is not None
    assert "each of 20 schedules ran into one of these findings" in result.hidden


def test_after_a_rank_has_raised_what_it_leaves_waiting_is_no_finding_of_its_own() -> None:
    def one_raises(rank: Rank) -> None:
        if rank.index == 0:
            (rank.root / "b" / "c").mkdir()
        rank.barrier()

    result = simulator.explore(one_raises, schedules=20, go_on=True)
    assert [failure.invariant for failure in result.failures] == ["no-error"]


def test_a_known_failure_of_a_scenario_is_none() -> None:
    found = simulator.explore("transformers-4.49-dev-35580", schedules=50)
    assert found.failure is not None
    known = Scenario(
        cluster=Cluster(2, 1), strategy=simulator.scenario.StrategyChoice("transformers-4.49-dev-35580"),
        known=(found.failure.signature,),
    )  # fmt: skip
    other = simulator.explore(known, schedules=50)
    assert other.failure is None or other.failure.signature != found.failure.signature
    with pytest.raises(UsageError, match="known: "):
        simulator.certify(known)


def test_the_gravest_comes_first() -> None:
    assert gravity_of("no-error", attempt=1) < gravity_of("keep") < gravity_of("no-error")
    assert gravity_of("no-error") < gravity_of("keep", degraded=True) < gravity_of("no-leak")
    assert gravity_of("my_own") < gravity_of("no-error")
    assert len({gravity_of(name) for name in NAMES}) == len(NAMES)
