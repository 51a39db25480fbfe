"""From a failing run of a program to what a person gets: a small schedule that fails alike, as a trace."""

from __future__ import annotations

import os

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.explaining import explain
from simulator.campaigns.explanation.explaining import Explanation
from simulator.campaigns.explanation.minimise import cost_of
from simulator.campaigns.result import Failure
from simulator.engines.canonical import event_of
from simulator.engines.interface import Ending
from simulator.run import Run
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from simulator.trace import AttemptTrace, Trace, Verdict, digest_of, software_versions

_MOST_RUNS = 60
"""Runs that are spent on making a failing schedule small: each takes as long as the program."""


def failure_of(experiment: CommandExperiment, failing: Run, schedule: int) -> Failure:
    """Minimise a failing run and record the result."""
    smallest = minimised(experiment, failing)
    violation = smallest.violation
    assert violation is not None, "a smaller run fails as the larger one did"
    explanation = explain(experiment, smallest)
    return Failure(
        violation.invariant,
        violation.rank,
        violation.message,
        violation.signature,
        trace_of(experiment, smallest, explanation),
        explanation=explanation,
        schedule=schedule,
    )


def minimised(experiment: CommandExperiment, failing: Run, most: int = _MOST_RUNS) -> Run:
    """The run with the fewest choices that still fails alike, choices undone in shrinking chunks (Zeller 2002)."""
    assert failing.violation is not None
    signature, best, left = failing.violation.signature, failing, most
    size = max(1, len(best.tape) // 2)
    while size and best.tape.choices and left > 0:
        entries = sorted(best.tape.choices.items())
        for start in range(0, len(entries), size):
            if left <= 0:
                break
            left -= 1
            tape = Tape(dict(entries[:start] + entries[start + size :]))
            run = experiment.run(TapeReplay(tape), tape)
            if run.violation is not None and run.violation.signature == signature and cost_of(run) < cost_of(best):
                best = run
                break
        else:
            size //= 2
    return best


def trace_of(experiment: CommandExperiment, run: Run, explanation: Explanation | None = None) -> Trace:
    """The trace of a run. Names that are random in the program are so here, too, unless they say what they are."""
    attempts = [
        AttemptTrace(
            [event_of(step) for step in record.steps],
            record.faults,
            {rank: _ended(ending, experiment) for rank, ending in record.endings.items()},
            output=record.output,
            meetings=record.meetings,
        )
        for record in run.attempts
    ]
    violation = run.violation
    return Trace(
        scenario=experiment.recorded(),
        tape=run.tape.entries(),
        attempts=attempts,
        digest=digest_of(attempt.events for attempt in attempts),
        verdict=None
        if violation is None
        else Verdict(violation.invariant, violation.message, violation.rank, violation.signature),
        explanation=None if explanation is None else explanation.table(),
        versions=software_versions(),
    )


def _ended(ending: Ending, experiment: CommandExperiment) -> str:
    if ending.killed:
        return "killed"
    if ending.error is None:
        return "returned"
    root = os.fsdecode(experiment.watch.root)
    return f"failed: {ending.error}".replace(root + "/", "").replace(root, ".")
