"""Explore a scenario by sampling schedules: many runs, until one violates an invariant or the budget is used up."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from random import Random

from simulator.campaigns.explanation.failure import failure_of, unfinished_failure
from simulator.campaigns.result import Result
from simulator.campaigns.searching.determinism import check_same, events_of, undisturbed_run
from simulator.campaigns.searching.drawing import drawn_answers
from simulator.campaigns.searching.findings import Finding, Findings, by_signature
from simulator.campaigns.searching.portfolio import sampled_faults, scheduler_factories
from simulator.campaigns.searching.vacuity import (
    Repeats,
    breakdown_of,
    check_touches_files,
    instants_of,
    one_class_in_words,
)
from simulator.engines.fresh_frames import in_fresh_frames
from simulator.experiment import Experiment
from simulator.interruption import leaving
from simulator.run import Run
from simulator.schedulers.replay import TapeReplay
from simulator.trace import digest_of

Progress = Callable[[int, float], None]
"""Called now and then with the number of schedules so far and the seconds used."""

_TOLD_EVERY = 0.5
"""Seconds, where schedules are slow, between two calls of ``progress``."""
_MOST_UNFINISHED = 10
"""Each of them may have taken all the time that a run is given."""


def digest_of_run(run: Run) -> str:
    """The digest of a run's canonical events."""
    return digest_of(events_of(run))


def sample(
    experiment: Experiment,
    *,
    schedules: int,
    scheduler: str = "mixed",
    seed: int = 0,
    seconds: float | None = None,
    progress: Progress | None = None,
    go_on: bool = False,
    kind_of: Callable[[Finding], Hashable] = by_signature,
) -> Result:
    """Run up to ``schedules`` schedules, or for ``seconds``, and stop at the first violation.

    With ``go_on`` a violation is set aside instead: the schedule is made again, past it, and so are all later ones. One
    failure of each kind is recorded, as ``kind_of`` tells them apart.
    A command that is to end ends the search as a limit does.

    A disturbed run that reaches a limit makes the result incomplete unless a later one violates something; after ten
    of them no more are made.

    The boundary must be installed. The first schedule is the undisturbed one; it is run twice and compared, and so is
    the first disturbed one: code under test that is not deterministic is told so at once (CannotDo). Also CannotDo
    when no rank makes a call about a file. Of runs that leave no choice, none is made twice.
    """
    return in_fresh_frames(lambda: _sample(experiment, schedules, scheduler, seed, seconds, progress, go_on, kind_of))


def _sample(
    experiment: Experiment,
    schedules: int,
    scheduler: str,
    seed: int,
    seconds: float | None,
    progress: Progress | None,
    go_on: bool,
    kind_of: Callable[[Finding], Hashable],
) -> Result:
    given, scenario = experiment, experiment.scenario
    findings = Findings(go_on=go_on, given=scenario.known, kind_of=kind_of)
    started = time.perf_counter()
    undisturbed = undisturbed_run(experiment)
    while findings.take(undisturbed, 1):
        experiment = given.setting_aside(findings.known)
        undisturbed = undisturbed_run(experiment)
    lengths = rank_lengths(undisturbed, scenario.cluster.world_size)
    factories = scheduler_factories(scheduler, undisturbed.attempts[0].steps, experiment.costs is not None)
    check_touches_files(undisturbed, scenario)
    repeats = Repeats(choices=experiment.has_choices)
    repeats.note(None, undisturbed)
    interleaved = undisturbed.interleaved
    operations = undisturbed.operations
    done, drawn, run = 1, 1, undisturbed
    incomplete: str | None = undisturbed.incomplete
    unfinished, random, next_told = 0, Random(), started
    with leaving() as left:
        while not findings.must_end and drawn < schedules and undisturbed.incomplete is None:
            if seconds is not None and time.perf_counter() - started > seconds:
                break
            number, drawn = drawn, drawn + 1
            random.seed(seed << 40 | number)
            plan = sampled_faults(scenario, lengths, random)
            if repeats.has(plan):
                if repeats.ended:
                    break
                continue
            while True:
                draw = drawn_answers(experiment, seed << 40 | number)
                run = experiment.run(factories[number % len(factories)](random), plan, draw=draw)
                if not findings.take(run, done + 1):
                    break
                experiment = given.setting_aside(findings.known)
                random.seed(seed << 40 | number)
                sampled_faults(scenario, lengths, random)  # The same again: what is drawn next is the schedule.
            repeats.note(plan, run)
            if done == 1:
                check_same(run, experiment.run(TapeReplay(run.tape), run.tape), "its own tape")
            interleaved = interleaved or run.interleaved
            operations += run.operations
            done += 1
            if run.incomplete is not None:
                unfinished += 1
                incomplete = incomplete or run.incomplete
                if unfinished == _MOST_UNFINISHED:
                    break
            if progress is not None and (not done & 255 or time.perf_counter() > next_told):
                progress(done, time.perf_counter() - started)
                next_told = time.perf_counter() + _TOLD_EVERY
    if unfinished > 1:
        incomplete = f"{incomplete} (and {unfinished - 1} more of {done:,} schedules are incomplete)"
    if left.by is not None:
        incomplete = f"{left.by} after {done:,} schedules" + (f"; {incomplete}" if incomplete else "")
    searched = time.perf_counter() - started
    failures = findings.failures(lambda found: failure_of(given.setting_aside(found.known), found.run, found.schedule))
    minimising = time.perf_counter() - started - searched
    failure = failures[0] if failures else None
    if failure is None:
        incomplete = incomplete or breakdown_of(undisturbed, scenario)
    verdict = "violated" if failure is not None else "incomplete" if incomplete is not None else "clean"
    return Result(
        verdict=verdict,
        schedules=done,
        seconds=searched,
        minimising=minimising,
        seed=seed,
        scenario=given.described(),
        states=experiment.verdicts.judged if experiment.verdicts is not None else 0,
        operations=operations,
        failure=failure,
        failures=failures,
        hidden=findings.hides(done, schedules if seconds is None else None),
        digest=failure.trace.digest if failure is not None else digest_of_run(run),
        coverage=("" if interleaved else _alone(experiment, undisturbed))
        + f"sampled: {done:,} schedule{'s' if done != 1 else ''}, {scheduler}{experiment.faults_in_words()}",
        reason=incomplete if failure is None else unfinished_failure(),
        lengths=lengths,
        judged=experiment.invariants_judged(),
    )


def _alone(experiment: Experiment, undisturbed: Run) -> str:
    said = one_class_in_words(instants_of(undisturbed), judged=experiment.judges_instants)
    return f"1 class: {said}; "


def rank_lengths(run: Run, world_size: int) -> list[int]:
    """The number of operations of each rank in the first attempt of a run."""
    lengths = [0] * world_size
    for step in run.attempts[0].steps:
        lengths[step.rank] += 1
    return lengths
