"""What the public functions take, and the short texts that they give back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.campaigns.explanation.explaining import Explanation
from simulator.errors import UsageError
from simulator.scenario import Scenario, StrategyChoice


class Ours:
    """Every rank publishes by itself, and the last one to look finds nothing."""

    def __init__(self, name: str = "checkpoint") -> None:
        self.name = name

    def save(self, rank: Any, state: Any, step: int) -> None:
        staging = rank.root / f"tmp-{self.name}-{step}"
        os.makedirs(staging, exist_ok=True)
        for shard in state.shards:
            shard.save(staging / shard.name)
        rank.barrier()
        if staging.exists():
            os.rename(staging, rank.root / f"{self.name}-{step}")

    def pick(self, rank: Any) -> Path | None:
        return max(rank.root.glob(f"{self.name}-*"), default=None)


class NeedsName(Ours):
    def __init__(self, name: str) -> None:
        super().__init__(name)


def racy(rank: Any) -> None:
    os.makedirs(rank.root / "a", exist_ok=True)
    rank.barrier()
    if (rank.root / "a").exists():
        os.rmdir(rank.root / "a")


def test_a_strategy_is_explored_as_a_class_or_as_an_instance(tmp_path: Path) -> None:
    for strategy in (Ours, Ours("other"), NeedsName("other")):
        result = simulator.explore(strategy, schedules=200, invariants=["no-error"])
        assert result.failure is not None
        assert result.failure.invariant == "no-error"
        assert "FileNotFoundError" in result.failure.error
        path = simulator.save(result, tmp_path / "trace.json")
        replayed = simulator.replay(path, programs=strategy)
        assert (replayed.digest, replayed.reason) == (result.digest, None)
    path = simulator.save(simulator.explore(Ours, schedules=200), tmp_path / "trace.json")
    assert simulator.replay(path).failure is not None, "a class that can be imported is found by its name"


def test_a_strategy_is_certified() -> None:
    assert simulator.certify(Ours, invariants=["no-error"]).verdict == "violated"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (NeedsName, "missing 1 required positional argument: 'name'; give an instance instead of the class"),
        (Path, "the class Path is no strategy, as it has no method 'save'; a plain program is a function of the rank"),
    ],
)
def test_a_class_that_cannot_be_explored_is_told_why(given: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        simulator.explore(given)
    with pytest.raises(UsageError, match="pick: a strategy has a pick of its own"):
        simulator.explore(Ours, pick=lambda root: None)


def test_names_select_invariants_and_functions_add_some() -> None:
    def never(world: Any) -> str | None:
        return "something" if list(world.root.iterdir()) else None

    def verdict(invariants: Any) -> str | None:
        failure = simulator.explore(racy, schedules=50, invariants=invariants).failure
        return None if failure is None else failure.invariant

    assert verdict([]) == verdict(["no-error"]) == verdict("no-error, no-hang") == "no-error"
    assert verdict(["no-hang"]) is None
    assert verdict(["no-hang", never]) == verdict([never]) == "never"
    with pytest.raises(UsageError, match="unknown invariant 'no-eror'"):
        verdict(["no-eror"])
    with pytest.raises(UsageError, match="invariants: 3 is neither the name of one nor a function"):
        verdict([3])


def test_results_are_short_when_printed() -> None:
    result = simulator.explore(racy, schedules=50)
    failure = result.failure
    assert failure is not None
    first, second, *_ = str(result).splitlines()
    assert first == f"violated no-error: {failure.error}"
    assert second.startswith("sampled: ")
    assert "simulator.as_text(result)" in str(result)
    for thing in (result, failure, failure.trace):
        assert len(repr(thing)) < 200
    clean = simulator.explore(racy, schedules=3, invariants=["no-hang"])
    assert str(clean).startswith("clean\nsampled: 3 schedules, mixed (")
    assert repr(clean) == "<Result clean>"


def test_reports_are_had_from_python(tmp_path: Path) -> None:
    result = simulator.explore(racy, schedules=50)
    assert result.failure is not None
    path = simulator.save(result, tmp_path / "trace.json")
    assert simulator.as_text(result) == simulator.as_text(result.failure.trace) == simulator.as_text(path)
    assert simulator.as_text(result.failure).startswith("violated  no-error: a rank raised\n")
    assert simulator.as_html(result).startswith("<!doctype html>")
    with pytest.raises(UsageError, match="the result is clean: only a failure has a trace"):
        simulator.as_text(simulator.explore(racy, schedules=3, invariants=["no-hang"]))


def test_an_explanation_is_the_same_from_a_search_and_from_a_replay() -> None:
    failure = simulator.explore(racy, schedules=50).failure
    assert failure is not None
    again = simulator.replay(failure).failure
    assert again is not None
    assert isinstance(failure.explanation, Explanation)
    assert again.explanation == failure.explanation


def test_a_strategy_is_explored_and_certified_by_its_name() -> None:
    result = simulator.explore("staged-barrier", schedules=20)
    assert result.verdict == "clean"
    assert result.scenario["strategy"]["name"] == "staged-barrier"
    assert simulator.certify("staged-barrier", max_classes=2).scenario["strategy"] == result.scenario["strategy"]
    with pytest.raises(UsageError, match="pick: a strategy has a pick of its own"):
        simulator.explore("staged-barrier", pick=lambda root: None)


@pytest.mark.parametrize(
    ("programs", "said"),
    [
        ("staged-barier", r"unknown strategy 'staged-barier'; did you mean staged-barrier\? known are "),
        ("transformers-4.36", r"unknown strategy 'transformers-4.36'; did you mean transformers-4.36.0\? known are "),
        ("ours.py", r"unknown strategy 'ours.py'; name the class in it, too: ours.py:Class"),
        (["staged-barrier", racy], "programs: 'staged-barrier' is neither a function of the rank nor a strategy"),
        (3, "programs: 3 is neither a function of the rank nor a strategy"),
    ],
)
def test_what_is_no_program_is_told_so_and_found_no_fault_of_it(programs: Any, said: str) -> None:
    for function in (simulator.explore, simulator.certify):
        with pytest.raises(UsageError, match=said):
            function(programs)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"faults": {"kills": 1}}, r"^faults: must be simulator.Faults\(kills=1\), is {'kills': 1}$"),
        ({"faults": simulator.Faults(kills="1")}, r"^faults.kills: Expected 'int', got 'str'$"),  # type: ignore[arg-type]
        ({"nodes": 2.5}, r"^nodes: must be a whole number, is 2.5$"),
        ({"seed": "x"}, r"^seed: must be a whole number, is 'x'$"),
        ({"seconds": "5m"}, r"^seconds: must be a number, is '5m'$"),
        ({"filesystem": None}, r"^filesystem: must be the name of a profile"),
        ({"pick": "newest"}, r"^pick: must be a function, is 'newest'$"),
        ({"fs": "nfs"}, r"^explore: unknown argument 'fs'; did you mean filesystem=\?$"),
        ({"kills": 1}, r"^explore: unknown argument 'kills'; did you mean faults=simulator.Faults\(kills=…\)\?$"),
        ({"schedule": 1}, r"^explore: unknown argument 'schedule'; did you mean schedules=\?$"),
        ({"colour": 1}, r"^explore: unknown argument 'colour'; it takes programs, nodes, "),
    ],
)
def test_an_argument_that_makes_no_sense_is_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        simulator.explore(racy, **arguments)


@pytest.mark.parametrize(
    "arguments", [{"nodes": 4}, {"faults": simulator.Faults(kills=1)}, {"filesystem": "nfs"}, {"restarts": 1}]
)
def test_what_a_scenario_says_itself_is_not_taken_beside_it(arguments: dict[str, Any]) -> None:
    scenario = Scenario(strategy=StrategyChoice("staged-barrier"))
    for function in (simulator.explore, simulator.certify):
        with pytest.raises(
            UsageError, match=f"^{next(iter(arguments))}: the scenario says that itself, so .* not count"
        ):
            function(scenario, **arguments)


def test_what_cannot_be_replayed_is_told_so() -> None:
    clean = simulator.explore(racy, schedules=3, invariants=["no-hang"])
    with pytest.raises(UsageError, match="trace: there is none; the failure of a result that is clean is None"):
        simulator.replay(clean.failure)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="is <Result clean>, give its failure"):
        simulator.replay(clean)  # type: ignore[arg-type]


def test_the_public_names_are_listed() -> None:
    assert {"explore", "certify", "Faults", "__doc__"} <= set(dir(simulator))


def test_what_was_judged_is_said_and_what_was_not() -> None:
    without = str(simulator.explore(racy, schedules=3))
    assert "Invariants judged: no-error, no-hang. No checkpoint was: pick=... says which one" in without
    certified = str(simulator.certify("staged-barrier"))
    assert "Invariants judged: no-error, no-hang, complete, content, progress, keep, agree, no-leak.\n" in certified
    assert "seed" not in certified, "nothing was drawn"
    few = str(simulator.certify("staged-barrier", invariants=["complete"], preemptions=1))
    assert "Invariants judged: complete.\n" in few
    assert "at most 1 preemption a schedule" in few
