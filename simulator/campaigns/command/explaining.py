"""Why a program failed: the pair of operations whose order a run that passes has the other way round."""

from __future__ import annotations

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.reversed_pairs import reversed_pairs
from simulator.campaigns.explanation.explaining import Explanation
from simulator.run import Run
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
        pair = next(reversed_pairs(failing.attempts[-1].steps, passing.attempts[-1].steps), None)
        if pair is not None:
            return Explanation(attempt, pair.first, pair.second, "A run in which B comes before A passes.")
        text = f"Without the switch after operation {address[3]} of task {address[2]} the run passes."
        return Explanation(attempt, None, None, "", text)
    return Explanation(attempt, None, None, "", "No single switch was found without which the run passes.")
