"""What exhaustive search finds of a program, in the form in which brute force says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from simulator.boundary import installed
from simulator.exhaustive.attempts import Start
from simulator.exhaustive.exploration import BoundedExploration, Exploration
from simulator.exhaustive.judging import StateJudge
from simulator.exhaustive.unit import Unit
from simulator.experiment import ROOT, Experiment
from simulator.happens_before import NO_LOOKS, Looks
from simulator.scenario import Cluster, Scenario
from tests.exhaustive.brute_force import Found, all_interleavings, outcome, starter
from tests.exhaustive.programs import Actions, filled, program_of


def anything_goes(world: Any) -> None:
    """An invariant that holds, so that every state is judged."""


def experiment_of(programs: Sequence[Callable[..., Any]]) -> Experiment:
    """These programs, one for each rank, on the tree of ``filled``."""
    experiment = Experiment(
        Scenario(cluster=Cluster(len(programs), 1), invariants=("anything_goes",)),
        programs=programs,
        checks=[anything_goes],
    )
    experiment.filesystem = filled  # type: ignore[method-assign]
    return experiment


def searched(programs: Sequence[Callable[..., Any]], preemptions: int | None = None) -> Found:
    """By exhaustive search; the boundary must be installed."""
    experiment, looks = experiment_of(programs), NO_LOOKS
    while True:
        found, wider = _pass(experiment, looks, preemptions)
        if wider == looks:
            return found
        looks = wider


def _pass(experiment: Experiment, looks: Looks, preemptions: int | None) -> tuple[Found, Looks]:
    """One pass with what is known of looks at times; what is known after it."""
    found, start = Found(), Start.first(experiment)
    exploration = Exploration() if preemptions is None else BoundedExploration(preemptions)
    unit = Unit(experiment, start, frozenset(), looks, StateJudge(experiment, looks), preemptions is not None)
    replayer, wider = start.replayer(experiment), looks
    while exploration.leaf is not None:
        leaf = exploration.leaf
        execution = unit.make(exploration.prefix(leaf))
        report = unit.judge(execution)
        digest = replayer.go_to(execution.order, execution.scheduled).digest()
        found.outcomes.add(outcome(execution.endings, execution.waiting, digest))
        exploration.take_in(leaf, unit.brought(execution))
        found.runs += 1
        wider |= report.looks
        if wider != looks:
            break
        found.classes.add(report.key)
        found.states.update(report.states)
    return found, wider


def both(
    actions: Sequence[Actions], limit: int = 14, runs: int = 5000, preemptions: int | None = None
) -> tuple[Found, Found]:
    """By search and by brute force. Raises TooLong where that would take too long."""
    programs = [program_of(each) for each in actions]
    with installed():
        brute = all_interleavings(starter(programs, filled, ROOT), limit, runs)
        return searched(programs, preemptions), brute
