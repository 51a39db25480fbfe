"""From a failing run to what a person gets: minimised, run again in detail, explained, as a trace."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec

from simulator import portable
from simulator.campaigns.explanation.explaining import Explanation, explain
from simulator.campaigns.explanation.minimise import minimise
from simulator.campaigns.result import Failure
from simulator.campaigns.trust import seal_of
from simulator.engines.canonical import event_of
from simulator.engines.interface import Ending
from simulator.experiment import ROOT, Experiment
from simulator.interruption import asked, leaving
from simulator.invariants.violation import text_of
from simulator.run import Run
from simulator.scenario import from_table
from simulator.schedulers.replay import TapeReplay
from simulator.trace import AttemptTrace, Event, Trace, Verdict, digest_of, software_versions


def failure_of(experiment: Experiment, failing: Run, schedule: int, *, budget: int = 3000) -> Failure:
    """Minimise a failing run, within ``budget`` re-runs, and record the result.

    When the command is to end, with what is known by then: it may be neither the smallest nor explained.
    """
    detailed = smallest = minimise(experiment, failing, budget=budget)
    explanation: Explanation | None = None
    with leaving():
        detailed = experiment.run(TapeReplay(smallest.tape), smallest.tape, detail=True)
        if detailed.violation is None and detailed.incomplete is not None:
            detailed = smallest  # This time a budget ended it first, of wall time say: it is recorded as it was found.
        assert detailed.violation is not None, "a recorded failure did not repeat on its own tape"
        if asked() is None and detailed is not smallest:
            explanation = explain(experiment, detailed)
    violation = detailed.violation
    assert violation is not None, "a failing run has a violation"
    trace = trace_of(experiment, detailed, explanation)
    return Failure(
        violation.invariant,
        violation.rank,
        violation.message,
        violation.signature,
        trace,
        explanation=explanation,
        schedule=schedule,
    )


def unfinished_failure() -> str | None:
    """In words that a failure was not minimised or explained to the end, as the command is to end; else None."""
    by = asked()
    return None if by is None else f"{by}: the schedule may not be the smallest, and no pair was shown to decide it"


def trace_of(experiment: Experiment, run: Run, explanation: Explanation | None = None) -> Trace:
    """The trace of a run."""
    site = cache(portable.site)
    attempts = [
        AttemptTrace(
            [placed(event_of(step), site) for step in record.steps],
            record.faults,
            {rank: _ended(ending) for rank, ending in record.endings.items()},
            sites={rank: site(ending.site) for rank, ending in record.endings.items() if ending.site is not None},
            output=record.output,
        )
        for record in run.attempts
    ]
    violation = run.violation
    verdict = None
    if violation is not None:
        verdict = Verdict(
            violation.invariant, violation.message, violation.rank, violation.signature, violation.degraded
        )
    scenario = experiment.recorded()
    trace = Trace(
        scenario=scenario,
        tape=run.tape.entries(),
        attempts=attempts,
        digest=digest_of(_events(attempts)),
        verdict=verdict,
        explanation=None if explanation is None else explanation.table(),
        versions=software_versions(),
        sources=portable.sources_of(from_table(scenario, "the scenario")),
        seal=seal_of(scenario),
    )
    trace.remember(experiment)
    return trace


def placed(event: Event, site: Callable[[str], str]) -> Event:
    """The event with the place in the code under test as ``site`` names it."""
    return event if event.site is None else msgspec.structs.replace(event, site=site(event.site))


def _events(attempts: list[AttemptTrace]) -> list[list[Event]]:
    return [attempt.events for attempt in attempts]


def _ended(ending: Ending) -> str:
    if ending.killed:
        return "killed"
    return "returned" if ending.error is None else f"raised {text_of(ending.error, ROOT)}"
