"""Runs a program again by a recorded tape."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import msgspec

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.record import trace_of
from simulator.campaigns.command.repeating import left_at
from simulator.campaigns.replay.replaying import differences
from simulator.campaigns.result import Failure, Result
from simulator.campaigns.trust import NO_TRUST, Trust, check
from simulator.errors import Divergence
from simulator.portable import at_home
from simulator.run import Run
from simulator.scenario import Scenario, from_table
from simulator.schedulers.replay import StrictReplay, TapeReplay
from simulator.trace import Trace


def replay(recording: Trace, *, strict: bool = False, trust: Trust = NO_TRUST, words: Sequence[str] = ()) -> Result:
    """Run the program once by the tape's choices; ``strict``: in exactly the recorded order, or raise Divergence.

    ``words`` are the command to run, in the current directory, instead of the recorded one, which runs if
    ``campaigns.trust`` lets it. ``reason`` says where the run first did something else than the recorded one.
    """
    scenario = with_command(recording, words)
    if not words:
        check(recording, scenario, trust)
    started = time.perf_counter()
    with CommandExperiment(scenario) as experiment:
        scheduler = StrictReplay(recording) if strict else TapeReplay(recording.choices())
        run = experiment.run(scheduler, recording.choices())
        trace = trace_of(experiment, run)
        followed, differing = left_at(recording, trace)
        if strict and differing is not None:
            raise Divergence("; ".join([f"the replay differs from the recording {differing}", *differences(recording)]))
        ended = "clean" if run.incomplete is None else "incomplete"
        return Result(
            verdict=ended if run.violation is None else "violated",
            schedules=1,
            seconds=time.perf_counter() - started,
            seed=0,
            scenario=experiment.recorded(),
            unseen=experiment.unseen,
            operations=run.operations,
            failure=_failure(run, trace),
            digest=trace.digest,
            coverage="replayed with the program itself: 1 schedule",
            reason=run.incomplete or (differing and f"the replay differs from the recording {differing}"),
            followed=None if differing is None else followed,
        )


def with_command(recording: Trace, words: Sequence[str] = ()) -> Scenario:
    """The scenario of a recorded program, where it is here; with ``words``, with that command in this directory."""
    scenario = from_table(recording.scenario, "the trace's scenario")
    if words and scenario.command is not None:
        choice = scenario.command
        watch = choice.watch
        if choice.directory is not None and os.path.isabs(choice.directory) == os.path.isabs(watch):
            watch = os.path.relpath(watch, choice.directory)
        given = msgspec.structs.replace(choice, words=tuple(words), watch=watch, directory=os.getcwd())
        return msgspec.structs.replace(scenario, command=given)
    return at_home(scenario, recording.directory())


def _failure(run: Run, trace: Trace) -> Failure | None:
    violation = run.violation
    if violation is None:
        return None
    return Failure(violation.invariant, violation.rank, violation.message, violation.signature, trace, schedule=1)
