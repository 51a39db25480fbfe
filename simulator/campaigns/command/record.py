"""From a failing run of a program to what a person gets: a small schedule that fails alike, as a trace."""

from __future__ import annotations

import os
from functools import cache

import msgspec

from simulator import portable
from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.explaining import explain
from simulator.campaigns.command.minimising import minimised
from simulator.campaigns.explanation.explaining import Explanation
from simulator.campaigns.explanation.failure import placed
from simulator.campaigns.result import Failure
from simulator.campaigns.trust import seal_of
from simulator.engines.canonical import event_of
from simulator.engines.interface import Ending
from simulator.interruption import asked, leaving
from simulator.run import Run
from simulator.scenario import from_table
from simulator.trace import AttemptTrace, Trace, Verdict, digest_of, software_versions


def failure_of(experiment: CommandExperiment, failing: Run, schedule: int) -> Failure:
    """Minimise a failing run and record the result; when the command is to end, with what is known by then."""
    smallest = minimised(experiment, failing)
    violation = smallest.violation
    assert violation is not None, "a smaller run fails as the larger one did"
    trace = trace_of(experiment, smallest)
    explanation: Explanation | None = None
    with leaving():
        if asked() is None:
            explanation = explain(experiment, smallest, trace)
    return Failure(
        violation.invariant,
        violation.rank,
        violation.message,
        violation.signature,
        trace if explanation is None else msgspec.structs.replace(trace, explanation=explanation.table()),
        explanation=explanation,
        schedule=schedule,
    )


def trace_of(experiment: CommandExperiment, run: Run) -> Trace:
    """The trace of a run. Names that are random in the program are so here, too, unless they say what they are."""
    site = cache(portable.site)
    attempts = [
        AttemptTrace(
            [placed(event_of(step), site) for step in record.steps],
            record.faults,
            {rank: _ended(ending, experiment) for rank, ending in record.endings.items()},
            sites={rank: site(ending.site) for rank, ending in record.endings.items() if ending.site is not None},
            output=record.output,
            meetings=record.meetings,
        )
        for record in run.attempts
    ]
    violation = run.violation
    scenario = experiment.recorded()
    return Trace(
        scenario=scenario,
        tape=run.tape.entries(),
        attempts=attempts,
        digest=digest_of(attempt.events for attempt in attempts),
        verdict=None
        if violation is None
        else Verdict(violation.invariant, violation.message, violation.rank, violation.signature, violation.degraded),
        versions=software_versions(),
        sources=portable.sources_of(from_table(scenario, "the scenario")),
        seal=seal_of(scenario),
    )


def _ended(ending: Ending, experiment: CommandExperiment) -> str:
    if ending.killed:
        return "killed"
    if ending.error is None:
        return "returned"
    root = os.fsdecode(experiment.watch.root)
    return f"failed: {ending.error}".replace(root + "/", "").replace(root, ".")
