"""Sample schedules of an unmodified program until one violates an invariant."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.record import failure_of, trace_of
from simulator.campaigns.command.repeating import unlike
from simulator.campaigns.explanation.failure import unfinished_failure
from simulator.campaigns.result import Failure, Result
from simulator.campaigns.searching.findings import Finding, Findings, by_gravity
from simulator.campaigns.searching.portfolio import sampled_faults, scheduler_factories
from simulator.campaigns.searching.sampling import rank_lengths
from simulator.campaigns.searching.vacuity import Repeats, instants_of, one_class_in_words
from simulator.errors import CannotDo
from simulator.interruption import leaving
from simulator.run import Run
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape

Progress = Callable[[int, float], None]
_SAID = 500
"""Characters of what a program has printed that are shown, the last ones."""


def search(
    experiment: CommandExperiment,
    *,
    schedules: int,
    scheduler: str = "mixed",
    seed: int = 0,
    seconds: float | None = None,
    progress: Progress | None = None,
    go_on: bool = False,
) -> Result:
    """Run up to ``schedules`` schedules, or for ``seconds``, and stop at the first violation.

    With ``go_on`` a violation is set aside instead: the schedule is made again, past it, and so are all later ones. Of
    each invariant one failure is recorded, of ``keep`` one that loses a checkpoint and one that degrades it, and those
    that keep a restarted job from going on apart from those of the first attempt.

    A run that still goes on when the time is up is broken off: without a verdict if it is the only one, else it does
    not count.

    The first is the undisturbed one. It and the first disturbed one are run twice and compared: where a program does
    not do the same again, the result warns of it. CannotDo when it never comes to the watched directory, or fails
    before. Of runs that leave no choice, none is made twice.
    """
    started = time.perf_counter()
    until = None if seconds is None else time.monotonic() + seconds
    tape, warnings = Tape(), list[str]()
    findings = Findings(go_on=go_on, given=experiment.scenario.known, kind_of=by_gravity)
    run = experiment.run(TapeReplay(tape), until=until)
    operations = run.operations
    check_comes(experiment, run)
    while findings.take(run, 1):
        with experiment.setting_aside(findings.known):
            run = experiment.run(TapeReplay(tape), until=until)
    if run.incomplete is None and run.violation is None:
        check_held(experiment, run)
        with experiment.setting_aside(findings.known):
            differing = unlike(run, experiment.run(TapeReplay(tape)), "the undisturbed tape")
        warnings += [differing] if differing is not None else []
    lengths = rank_lengths(run, experiment.scenario.cluster.world_size)
    factories = scheduler_factories(scheduler, run.attempts[0].steps)
    undisturbed, repeats = run, Repeats(choices=False)
    repeats.note(None, run)
    interleaved, done, drawn, guesses = run.interleaved, 1, 1, _guesses(experiment)
    random, broken_off = Random(), ""
    with leaving() as left:
        while not findings.must_end and not _is_stuck(run) and drawn < schedules:
            if seconds is not None and time.perf_counter() - started > seconds:
                break
            number, drawn = drawn, drawn + 1
            random.seed(seed << 40 | number)
            plan = sampled_faults(experiment.scenario, lengths, random)
            if repeats.has(plan):
                if repeats.ended:
                    break
                continue
            while True:
                with experiment.setting_aside(findings.known):
                    other = experiment.run(factories[number % len(factories)](random), plan, until=until)
                if experiment.out_of_time or not findings.take(other, done + 1):
                    break
                random.seed(seed << 40 | number)
                sampled_faults(experiment.scenario, lengths, random)  # The same again, for the same schedule.
            if experiment.out_of_time:
                broken_off = f"; one more was broken off, {other.incomplete}"
                break
            run = other
            repeats.note(plan, run)
            if done == 1 and run.incomplete is None and not warnings:
                with experiment.setting_aside(findings.known):
                    differing = unlike(run, experiment.run(TapeReplay(run.tape), run.tape), "its own tape")
                warnings += [differing] if differing is not None else []
            guesses += _guesses(experiment)
            interleaved = interleaved or run.interleaved
            operations += run.operations
            done += 1
            if progress is not None:
                progress(done, time.perf_counter() - started)
    incomplete = run.incomplete if left.by is None else f"{left.by} after {done:,} schedules"
    searched = time.perf_counter() - started
    failures = findings.failures(lambda found: _recorded(experiment, found))
    minimising = time.perf_counter() - started - searched
    failure = failures[0] if failures else None
    return Result(
        verdict="violated" if failure is not None else "incomplete" if incomplete is not None else "clean",
        schedules=done,
        seconds=searched,
        minimising=minimising,
        seed=seed,
        scenario=experiment.recorded(),
        unseen=experiment.unseen,
        operations=operations,
        failure=failure,
        failures=failures,
        hidden=findings.hides(done, schedules if seconds is None else None),
        digest=failure.trace.digest if failure is not None else trace_of(experiment, run).digest,
        coverage=("" if interleaved else _alone(experiment, undisturbed))
        + f"sampled: {done:,} schedule{'s' * (done != 1)}, {scheduler}, system calls held{_faults_in_words(experiment)}"
        + (f"; {guesses} times everybody seemed to wait and then went on" if guesses else "")
        + broken_off,
        reason=incomplete if failure is None else unfinished_failure(),
        warnings=[*warnings, *without_lines(experiment)],
        lengths=lengths,
    )


def _alone(experiment: CommandExperiment, undisturbed: Run) -> str:
    said = one_class_in_words(instants_of(undisturbed), judged=experiment.judges_instants)
    return f"1 class: {said}; "


def _is_stuck(run: Run) -> bool:
    """Whether a run reached a limit, and not because a known failure had put an end to its job."""
    return run.incomplete is not None and not run.met


def _recorded(experiment: CommandExperiment, found: Finding) -> Failure:
    with experiment.setting_aside(found.known):
        return failure_of(experiment, found.run, found.schedule)


def without_lines(experiment: CommandExperiment) -> list[str]:
    """A warning where the last run's calls have no source lines although they are a Python's."""
    if not any(engine.without_lines for engine in experiment.engines):
        return []
    return [
        "no source lines are named: how this Python keeps its frames could not be found out from outside; "
        "CPython 3.11 to 3.13 are known to work"
    ]


def check_comes(experiment: CommandExperiment, run: Run) -> None:
    """Raise CannotDo with what the program says where, undisturbed, it fails before its first held call."""
    violation = run.violation
    if violation is None or violation.invariant != "no-error" or run.operations:
        return
    printed = {rank: text for attempt in run.attempts for rank, text in attempt.output.items()}
    text = printed.get(-1 if violation.rank is None else violation.rank, "").strip()
    said = f"; it said: {'... ' * (len(text) > _SAID)}{text[-_SAID:]}" if text else ""
    raise CannotDo(
        f"the program fails before it comes to {experiment.choice.watch}, undisturbed: {violation.message}{said}"
    )


def check_held(experiment: CommandExperiment, run: Run) -> None:
    """Raise CannotDo, saying what to do, where an undisturbed run made no call that was held."""
    reason = nothing_held(experiment, run)
    if reason is not None:
        raise CannotDo(reason)


def nothing_held(experiment: CommandExperiment, run: Run) -> str | None:
    """Why an undisturbed run made no call that was held, and what to do; None where it made one."""
    if run.operations:
        return None
    if any(experiment.directory.iterdir()):
        return (
            f"{experiment.choice.watch} was written to before any call was held, by native code that Python hears "
            "nothing of: use --arm start"
        )
    return (
        f"no rank made a call about {experiment.choice.watch}: nothing was tested. Is it the directory that the "
        "program saves to? A relative path is taken from the directory that ckptrace was started in"
    )


def _guesses(experiment: CommandExperiment) -> int:
    return sum(engine.guesses for engine in experiment.engines)


def _faults_in_words(experiment: CommandExperiment) -> str:
    restarts = experiment.scenario.restarts
    parts = experiment.scenario.faults.in_words()
    if restarts:
        parts.append(f"{restarts} restart{'s' if restarts > 1 else ''}")
    return f", with {', '.join(parts)}" if parts else ""
