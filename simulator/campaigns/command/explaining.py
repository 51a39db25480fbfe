"""Why a program failed: the pair of operations whose order a run that passes has the other way round."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.explanation.explaining import Explanation
from simulator.engines.interface import Step
from simulator.run import Run
from simulator.schedulers.races import Targets, may_race
from simulator.schedulers.replay import TapeReplay


def explain(experiment: CommandExperiment, failing: Run) -> Explanation:
    """Undo one switch of a failing schedule after the other, the last first, until the run passes; then compare.

    The pair is the last one in the failing run that races and is the other way round in the passing one. Nothing is
    claimed that was not run.
    """
    attempt = len(failing.attempts) - 1
    switches = sorted((a for a in failing.tape.choices if a[1] == "schedule"), reverse=True)
    if not switches and not any(record.faults for record in failing.attempts):
        return Explanation(attempt, None, None, "", "The undisturbed run fails: no other order was needed.")
    for address in switches:
        tape = failing.tape.without(address)
        passing = experiment.run(TapeReplay(tape), tape)
        if passing.violation is not None or passing.incomplete is not None:
            continue
        pair = reversed_pair(failing.attempts[-1].steps, passing.attempts[-1].steps)
        if pair is not None:
            return Explanation(attempt, *pair, "A run in which B comes before A passes.")
        text = f"Without the switch after operation {address[3]} of task {address[2]} the run passes."
        return Explanation(attempt, None, None, "", text)
    return Explanation(attempt, None, None, "", "No single switch was found without which the run passes.")


def reversed_pair(failing: Sequence[Step], passing: Sequence[Step]) -> tuple[int, int] | None:
    """The positions in the failing run of the last two operations that race and come the other way round in the other.

    An operation is the same in both runs when it is the same one of its task, of the same kind.
    """
    elsewhere = {(step.task, step.n, type(step.operation)): position for position, step in enumerate(passing)}
    targets, paths = Targets(), []
    for step in failing:
        paths.append(targets.of(step.task, step.operation))
        targets.done(step.task, step.operation)
    places = [elsewhere.get((step.task, step.n, type(step.operation))) for step in failing]
    for second in range(len(failing) - 1, -1, -1):
        for first in range(second - 1, -1, -1):
            a, b = failing[first], failing[second]
            before, after = places[first], places[second]
            if a.rank == b.rank or before is None or after is None or before < after:
                continue
            if may_race(a.operation, paths[first], b.operation, paths[second]):
                return first, second
    return None
