"""Runs a program again by a recorded tape."""

from __future__ import annotations

import time

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.record import trace_of
from simulator.campaigns.result import Failure, Result
from simulator.errors import Divergence
from simulator.run import Run
from simulator.scenario import from_table
from simulator.schedulers.replay import StrictReplay, TapeReplay
from simulator.trace import Trace, differences


def replay(recording: Trace, *, strict: bool = False) -> Result:
    """Run the program once by the tape's choices; ``strict``: in exactly the recorded order, or raise Divergence.

    ``reason`` says where the run first did something else than the recorded one.
    """
    scenario = from_table(recording.scenario, "the trace's scenario")
    started = time.perf_counter()
    with CommandExperiment(scenario) as experiment:
        scheduler = StrictReplay(recording) if strict else TapeReplay(recording.choices())
        run = experiment.run(scheduler, recording.choices())
        trace = trace_of(experiment, run)
        differing = _difference(recording, trace)
        if strict and differing is not None:
            raise Divergence("; ".join([differing, *differences(recording.versions)]))
        ended = "clean" if run.incomplete is None else "incomplete"
        return Result(
            verdict=ended if run.violation is None else "violated",
            schedules=1,
            seconds=time.perf_counter() - started,
            seed=0,
            scenario=experiment.recorded(),
            operations=run.operations,
            failure=_failure(run, trace),
            digest=trace.digest,
            coverage="replayed with the program itself: 1 schedule",
            reason=run.incomplete or differing,
        )


def _failure(run: Run, trace: Trace) -> Failure | None:
    violation = run.violation
    if violation is None:
        return None
    return Failure(violation.invariant, violation.rank, violation.message, violation.signature, trace, schedule=1)


def _difference(recording: Trace, trace: Trace) -> str | None:
    for attempt, (a, b) in enumerate(zip(recording.attempts, trace.attempts, strict=False)):
        for position, (x, y) in enumerate(zip(a.events, b.events, strict=False)):
            if not x.same_as(y):
                return (
                    f"attempt {attempt} differs from the recording at step {position}: rank {x.rank} {x.kind} "
                    f"{x.arguments} then, rank {y.rank} {y.kind} {y.arguments} now"
                )
        if len(a.events) != len(b.events):
            return f"attempt {attempt} had {len(a.events)} operations then and has {len(b.events)} now"
    return None
