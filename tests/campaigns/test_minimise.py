"""What minimising promises: no choice too many, no switch more than before, the same failure, and none cheaper."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import given, settings, strategies as st

from simulator.boundary import installed
from simulator.campaigns.explanation.minimise import cost_of, minimise, switches
from simulator.campaigns.interface import experiment_of
from simulator.campaigns.searching.sampling import digest_of_run
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.run import Run
from simulator.scenario import Scenario
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Address, Tape
from tests.campaigns.programs import (
    EveryRankMakesTheDirectory,
    failing_run,
    own,
    racy_save,
    scenario_of,
)

SCENARIOS = [
    scenario_of("transformers-4.36.0", "no-error"),
    scenario_of("transformers-4.36.1", "no-error"),
    scenario_of("transformers-4.38", "no-error"),
    scenario_of("transformers-4.36.2", "keep", steps=3, save_on_each_node=True),
    scenario_of("transformers-4.49-dev-35580", "no-error", nodes=3),
    scenario_of(own(EveryRankMakesTheDirectory), steps=3),
]


def replayed(experiment: Experiment, tape: Tape) -> Run:
    return experiment.run(TapeReplay(tape), tape)


def failing_of(experiment: Experiment, seed: int = 0) -> Run:
    failing = failing_run(experiment, seed)
    assert failing is not None
    return failing


def check_law(experiment: Experiment, failing: Run) -> None:
    assert failing.violation is not None
    signature = failing.violation.signature
    with installed():
        best = minimise(experiment, failing)
        assert best.violation is not None
        assert best.violation.signature == signature
        assert cost_of(best) <= cost_of(failing)
        assert switches(best) <= switches(failing)
        assert digest_of_run(replayed(experiment, best.tape)) == digest_of_run(best)
        for address in best.tape.choices:
            run = replayed(experiment, best.tape.without(address))
            if run.violation is not None and run.violation.signature == signature:
                assert cost_of(run) >= cost_of(best) or switches(run) > switches(failing)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: f"{s.strategy.name.rpartition(':')[2]}-{s.cluster.nodes}")
def test_no_choice_of_a_minimised_tape_can_be_undone(scenario: Scenario) -> None:
    experiment = Experiment(scenario)
    check_law(experiment, failing_of(experiment))


@settings(max_examples=20)
@given(seed=st.integers(0, 1 << 16))
def test_no_choice_can_be_undone_whatever_run_was_found(seed: int) -> None:
    experiment = Experiment(SCENARIOS[0])
    check_law(experiment, failing_of(experiment, seed))


def test_a_fault_that_is_not_needed_goes_first() -> None:
    experiment = experiment_of(racy_save, nodes=2, faults=Faults(clock_skew=5.0))
    failing = next(
        run for run in (failing_of(experiment, seed) for seed in range(50)) if cost_of(run)[0] and cost_of(run)[1] > 1
    )
    with installed():
        assert cost_of(minimise(experiment, failing))[:2] == (0, 1)


def every_tape(experiment: Experiment, failing: Run, most: int) -> Iterator[Tape]:
    """All tapes of up to ``most`` choices at points that are not behind those of a run; some change nothing."""
    ranks = experiment.scenario.cluster.world_size
    ends = {step.task: step.n + 1 for step in failing.attempts[0].steps}
    points: list[tuple[Address, int]] = [((0, "schedule", -1, 0), task + 1) for task in range(1, ranks)]
    points += [
        ((0, "schedule", task, n), other + 1)
        for task, end in ends.items()
        for n in range(1, end + 1)
        for other in range(ranks)
        if other != task
    ]
    for count in range(most + 1):
        for chosen in combinations(points, count):
            if len({address for address, _ in chosen}) == count:
                yield Tape(dict(chosen))


@pytest.mark.parametrize(
    ("experiment", "most"),
    [(experiment_of(racy_save, nodes=2), 2), (Experiment(SCENARIOS[0]), 1), (Experiment(SCENARIOS[1]), 1)],
    ids=["README", "4.36.0", "4.36.1"],
)
def test_no_tape_of_few_choices_is_cheaper(experiment: Experiment, most: int) -> None:
    failing = failing_of(experiment)
    assert failing.violation is not None
    with installed():
        best = minimise(experiment, failing)
        for tape in every_tape(experiment, failing, most):
            run = replayed(experiment, tape)
            if run.violation is not None and run.violation.signature == failing.violation.signature:
                assert cost_of(run) >= cost_of(best)


def test_minimising_stays_within_its_budget() -> None:
    experiment = Experiment(SCENARIOS[2])
    failing = failing_of(experiment)
    runs = 0
    original = experiment.run

    def counted(*arguments: object, **named: object) -> Run:
        nonlocal runs
        runs += 1
        return original(*arguments, **named)  # type: ignore[arg-type]

    experiment.run = counted  # type: ignore[method-assign]
    with installed():
        minimise(experiment, failing, budget=7)
    assert runs == 7
