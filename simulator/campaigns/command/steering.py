"""Confirms or refutes the races of a program: for each, runs in which the two operations come in the other order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.record import failure_of, trace_of
from simulator.campaigns.command.repeating import unlike
from simulator.campaigns.command.search import check_comes, check_held, without_lines
from simulator.campaigns.replay.racing import Race, races_of
from simulator.campaigns.result import Result
from simulator.engines.interface import Step
from simulator.interruption import leaving
from simulator.operations import paths_of
from simulator.run import Run
from simulator.schedulers.replay import TapeReplay
from simulator.schedulers.reversing import Reversing
from simulator.tape import Tape
from simulator.trace import Trace

Outcome = Literal["confirmed", "passes", "ordered", "undecided", "not tried"]
_Pair: TypeAlias = tuple[int, frozenset[tuple[int, int, str]]]
"""An attempt, and the two operations: the n-th of a task, and what it is."""
Progress = Callable[[int, float], None]


class Steered(msgspec.Struct, frozen=True):
    """What became of a race.

    ``confirmed``: a run with the other order violates something, which ``text`` says. ``passes``: such runs pass.
    ``ordered``: the second never came while the first was withheld, so something that was not recorded orders them.
    ``undecided``: the runs could not be ended, or lead elsewhere. ``not tried``: the limit of runs came before.
    """

    race: Race
    outcome: Outcome
    text: str = ""
    depth: int = 0
    """How many pairs had been reversed already in the run in which it was found: 0 in the undisturbed one."""


class Steering(msgspec.Struct, frozen=True):
    """The result as of a search, the recorded run, and what became of its races and of those found on the way."""

    result: Result
    recorded: Trace
    races: list[Steered]


def confirm_races(
    experiment: CommandExperiment,
    *,
    schedules: int,
    seconds: float | None = None,
    progress: Progress | None = None,
) -> Steering:
    """Record the undisturbed run and try each of its races the other way round, in up to ``schedules`` runs in all.

    A run that passes so has its own races, such as of a call that is made only then: they are tried in it likewise,
    those of the undisturbed run first, until one fails. Of a pair that several runs have, only the first one's is.
    The failure of the result is the first race that was confirmed. Where the undisturbed run fails, that is it. Raises
    what ``search`` does.
    """
    started = time.perf_counter()
    until = None if seconds is None else time.monotonic() + seconds
    run = experiment.run(TapeReplay(Tape()), until=until)
    check_comes(experiment, run)
    recorded = trace_of(experiment, run)
    done, operations = 1, run.operations
    if run.violation is not None or run.incomplete is not None:
        return Steering(_result(experiment, run, [], done, operations, started, recorded, run), recorded, [])
    check_held(experiment, run)
    differing = unlike(run, experiment.run(TapeReplay(Tape())), "the undisturbed tape")
    steered: list[Steered] = []
    failing: Run | None = None
    known: set[_Pair] = set()
    waiting = deque(_found_in(recorded, run, 0, known))
    with leaving() as left:
        while waiting:
            race, base, depth = waiting.popleft()
            if depth and failing is not None:
                break
            outcome = Steered(race, "not tried", depth=depth)
            for goes_on in ("first", "second"):
                if done >= schedules or (seconds is not None and time.perf_counter() - started > seconds):
                    break
                places = [[(step.task, step.n) for step in attempt.steps] for attempt in base.attempts]
                scheduler = Reversing(
                    places,
                    race.attempt,
                    (race.first.task, race.first.n),
                    (race.second.task, race.second.n),
                    goes_on,
                )
                other = experiment.run(scheduler, until=until)
                done += 1
                operations += other.operations
                outcome = _outcome(race, base, other, depth)
                if other.violation is not None and failing is None:
                    failing = other
                if other.violation is None and other.incomplete is None:
                    waiting.extend(_found_in(trace_of(experiment, other), other, depth + 1, known))
                if progress is not None:
                    progress(done, time.perf_counter() - started)
                if outcome.outcome != "passes":
                    break
            else:
                steered.append(outcome)
                continue
            # Only one of the two runs of a race that passes was made: nothing is claimed of it.
            steered.append(Steered(race, "not tried", depth=depth) if outcome.outcome == "passes" else outcome)
    steered += [Steered(race, "not tried", depth=depth) for race, _, depth in waiting if left.by is not None]
    result = _result(experiment, run, steered, done, operations, started, recorded, failing, left.by)
    result.warnings = [*([differing] if differing is not None else []), *without_lines(experiment)]
    return Steering(result, recorded, steered)


def _found_in(trace: Trace, run: Run, depth: int, known: set[_Pair]) -> list[tuple[Race, Run, int]]:
    """The races of a run whose pair is not ``known`` yet, in whichever order; it is from then on."""
    found = []
    for race in races_of(trace):
        sides = ((side.task, side.n, side.operation) for side in (race.first, race.second))
        pair = (race.attempt, frozenset(sides))
        if pair not in known:
            known.add(pair)
            found.append((race, run, depth))
    return found


def _outcome(race: Race, recorded: Run, other: Run, depth: int) -> Steered:
    """What a run in which the first was withheld says of the race."""

    def became(outcome: Outcome, text: str = "") -> Steered:
        return Steered(race, outcome, text, depth)

    if other.violation is not None:
        return became("confirmed", f"{other.violation.invariant}: {other.violation.message}")
    if other.incomplete is not None:
        return became("undecided", other.incomplete)
    steps = other.attempts[race.attempt].steps if race.attempt < len(other.attempts) else []
    came = {(step.task, step.n): position for position, step in enumerate(steps)}
    first = came.get((race.first.task, race.first.n))
    second = came.get((race.second.task, race.second.n))
    if second is None or (first is not None and first < second):
        return became("ordered", "the second does not come before the first, however long that waits")
    if not _alike(recorded.attempts[race.attempt].steps[race.second.position], steps[second]):
        return became("undecided", f"in its place came {_in_words(steps[second])}; the run passes")
    return became("passes")


def _alike(one: Step, other: Step) -> bool:
    return _in_words(one) == _in_words(other)


def _in_words(step: Step) -> str:
    return " ".join([type(step.operation).__name__.lower(), *paths_of(step.operation)])


def _result(
    experiment: CommandExperiment,
    undisturbed: Run,
    steered: list[Steered],
    done: int,
    operations: int,
    started: float,
    recorded: Trace,
    failing: Run | None,
    interrupted: str | None = None,
) -> Result:
    searched = time.perf_counter() - started
    failure = failure_of(experiment, failing, done) if failing is not None and failing.violation is not None else None
    counts = {
        outcome: sum(each.outcome == outcome for each in steered)
        for outcome in ("confirmed", "passes", "ordered", "undecided", "not tried")
    }
    open_ = counts["undecided"] + counts["not tried"]
    reason = undisturbed.incomplete
    if reason is None and open_:
        reason = f"{open_} of {len(steered)} races are neither confirmed nor refuted"
    if interrupted is not None:
        reason = f"{interrupted}" + (f"; {reason}" if reason else "")
    words = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    further = sum(each.depth > 0 for each in steered)
    return Result(
        verdict="violated" if failure is not None else "incomplete" if reason is not None else "clean",
        schedules=done,
        seconds=searched,
        seed=0,
        scenario=experiment.recorded(),
        unseen=experiment.unseen,
        operations=operations,
        failure=failure,
        digest=failure.trace.digest if failure is not None else recorded.digest,
        coverage=f"steered: {done:,} schedules, {len(steered) - further} race{'s' * (len(steered) - further != 1)}"
        + " of the undisturbed run"
        + (f" and {further} of runs with pairs reversed, each pair once" if further else "")
        + (f": {words}" * bool(words)),
        reason=reason,
    )
