"""Scenarios as strategies: every one of them makes sense, and shrinking ends at the smallest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import find, given, settings, strategies as st

from simulator.errors import UsageError
from simulator.faults import Faults
from simulator.hypothesis import Schedule, clusters, faults, run, scenarios, schedules, workloads
from simulator.rank import Rank
from simulator.scenario import Cluster, Scenario, StrategyChoice, Workload
from strategies.staged_barrier import StagedBarrier
from tests.hypothesis_ import bugs

UNTIMED = settings(deadline=None, max_examples=15)


@given(scenario=scenarios("staged-barrier"))
def test_every_scenario_makes_sense_and_has_a_second_rank(scenario: Scenario) -> None:
    scenario.validate()
    assert 2 <= scenario.cluster.world_size <= 4
    best = scenario.workload.best
    assert best is None or (best % scenario.workload.save_every == 0 and best <= scenario.workload.steps)


@UNTIMED
@given(scenario=scenarios("staged-barrier"), schedule=schedules())
def test_a_sound_strategy_holds_on_all_of_them(scenario: Scenario, schedule: Schedule) -> None:
    run(scenario, schedule)


def test_the_smallest_scenario_is_two_nodes_that_save_once_and_nothing_goes_wrong() -> None:
    smallest = find(scenarios("staged-barrier"), lambda scenario: True)
    assert (smallest.cluster, smallest.faults, smallest.restarts) == (Cluster(2, 1), Faults(), 0)
    assert smallest.workload == Workload(steps=1, frozen=False)


@given(clusters(max_ranks=6))
def test_clusters_have_no_more_ranks_than_asked_for(cluster: Cluster) -> None:
    assert 2 <= cluster.world_size <= 6


@given(workloads(max_steps=2), faults(max_kills=0))
def test_bounds_of_workloads_and_faults_hold(workload: Workload, budget: Faults) -> None:
    assert workload.steps <= 2
    assert budget == Faults()


@given(
    scenarios(
        st.sampled_from(["staged-barrier", "manifest"]),
        cluster=Cluster(3, 1),
        faults=Faults(kills=1),
        restarts=st.just(2),
        invariants=("keep",),
    )
)
def test_parts_can_be_given_as_values_and_as_strategies(scenario: Scenario) -> None:
    assert scenario.strategy in (StrategyChoice("staged-barrier"), StrategyChoice("manifest"))
    assert (scenario.cluster, scenario.faults, scenario.restarts) == (Cluster(3, 1), Faults(kills=1), 2)
    assert scenario.invariants == ("keep",)


@UNTIMED
@given(scenario=scenarios(StagedBarrier, options={"fsync": False}), schedule=schedules())
def test_a_strategy_can_be_given_as_its_class(scenario: Scenario, schedule: Schedule) -> None:
    assert scenario.strategy is not None
    assert scenario.strategy.options == {"fsync": False}
    run(scenario, schedule)


@given(scenario=scenarios(program=bugs.saver, faults=Faults()))
def test_a_plain_program_can_be_given_as_its_function(scenario: Scenario) -> None:
    assert scenario.program is not None
    assert scenario.program.endswith("saver")
    assert scenario.workload == Workload()


def test_what_makes_no_sense_is_refused_when_the_strategy_is_made() -> None:
    def local(rank: Rank) -> None: ...

    with pytest.raises(UsageError, match="one of them"):
        scenarios()
    with pytest.raises(UsageError, match="one of them"):
        scenarios("manifest", program=bugs.saver)
    with pytest.raises(UsageError, match="pick: a strategy has"):
        scenarios("manifest", pick=lambda root: root)
    with pytest.raises(UsageError, match="no method 'save'"):
        scenarios(Path)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="program: a scenario cannot name"):
        scenarios(program=local)
    with pytest.raises(UsageError, match="max_ranks: must be at least 2"):
        clusters(1)
