"""Runs a suite within a time budget that the scenarios share fairly; recorded failures are replayed first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from simulator.boundary import installed
from simulator.campaigns.command.fallback import holds_calls
from simulator.campaigns.command.replaying import replay as replay_program
from simulator.campaigns.replay.confirming import Confirmation, confirmed_unless_ended
from simulator.campaigns.replay.replaying import replay
from simulator.campaigns.result import Result
from simulator.campaigns.searching.sampling import Progress, sample
from simulator.campaigns.suite.cases import Case, Outcome
from simulator.campaigns.trust import Trust
from simulator.errors import CannotDo, CkptraceError
from simulator.experiment import Experiment
from simulator.interruption import asked, leaving
from simulator.scenario import Scenario
from simulator.trace import Trace

Listener = Callable[[Case], Progress]
"""Called when a case begins; gives the function that is told of its progress."""


def run_suite(
    cases: Sequence[Case],
    *,
    schedules: int,
    seconds: float | None = None,
    seed: int = 0,
    confirm: bool = True,
    trust: bool = False,
    listener: Listener | None = None,
) -> Iterator[Outcome]:
    """Run one case after the other; gives what became of each as soon as it is known.

    Recordings come first. A scenario gets ``schedules`` schedules, or as many as its share of ``seconds`` allows: an
    equal part of what is left, so that what one does not need is there for those after it. A recording
    runs code of the project that it lies in, and with ``trust`` any (``campaigns.trust``). Expected failures are
    neither confirmed nor bounded to fewer schedules than they ask for. What goes wrong with one case stops no other.
    """
    started = time.perf_counter()
    recordings = [case for case in cases if case.kind == "regression"]
    scenarios = [case for case in cases if case.kind == "scenario"]
    for case in recordings:
        yield _outcome(case, partial(_replayed, case, Trust(everything=trust, kept=True)), confirm=False)
    for number, case in enumerate(scenarios):
        share = None
        if seconds is not None:
            share = (seconds - (time.perf_counter() - started)) / (len(scenarios) - number)

        search = partial(_searched, case, schedules, share, seed, listener)
        yield _outcome(case, search, confirm=confirm)


def _replayed(case: Case, trust: Trust) -> Result:
    assert isinstance(case.subject, Trace)
    if holds_calls(case.subject.scenario):
        return replay_program(case.subject, trust=trust)
    return replay(case.subject, trust=trust)


def _searched(case: Case, schedules: int, share: float | None, seed: int, listener: Listener | None) -> Result:
    assert isinstance(case.subject, Scenario)
    if share is not None and share <= 0:
        raise CannotDo("not run: those before it used up the time")
    if case.expected is not None:
        schedules = max(schedules, case.expected.schedules)
    experiment = Experiment(case.subject)
    with installed():
        return sample(
            experiment,
            schedules=schedules,
            seconds=share,
            seed=seed,
            progress=None if listener is None else listener(case),
        )


def _outcome(case: Case, run: Callable[[], Result], *, confirm: bool) -> Outcome:
    started = time.perf_counter()
    result: Result | None = None
    missed: str | None = None
    confirmation: Confirmation | None = None
    error: CkptraceError | None = None
    if (by := asked()) is not None:
        return Outcome(case, 0.0, error=CannotDo(f"not run: {by}"))
    try:
        with leaving() as left:
            result = run()
        if result is None:
            error = CannotDo(f"{left.by}")
        elif result.verdict == "incomplete":
            error = CannotDo(f"incomplete: {result.reason}")
        elif result.verdict == "clean" and result.followed == 0:
            error = CannotDo(
                f"the recording no longer applies: not one of its steps was taken ({result.reason}); "
                "record the failure again, or delete it"
            )
        elif case.expected is not None:
            missed = case.expected.missed_by(result)
        elif confirm and result.failure is not None:
            confirmation = confirmed_unless_ended(result.failure)
            if confirmation.outcome == "disagree":
                error = CannotDo(confirmation.text)
    except CkptraceError as raised:
        error = raised
    return Outcome(case, time.perf_counter() - started, result, missed, confirmation, error)
