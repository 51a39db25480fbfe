"""One run: ready ranks -> scheduler -> grant -> judge -> trace. An attempt after the other, on one file system."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from simulator import interruption
from simulator.clock import EPOCH, SECOND, NodeClock, node_clock
from simulator.costs import Usage
from simulator.engines.answers import Answers, Draw
from simulator.engines.conditions import Conditions
from simulator.engines.interface import Ending, Engine, Saved, Step
from simulator.engines.strikes import Strikes
from simulator.engines.watchdog import Stuck, watchdog
from simulator.faults import Faults
from simulator.filesystems import Filesystem
from simulator.invariants import Violation
from simulator.operations import Operation
from simulator.scenario import Budgets
from simulator.tape import Address, Tape
from simulator.trace import Meeting


class Frontier(Protocol):
    """What a scheduler may look at: the tasks that can go on, and what each is about to do."""

    world_size: int

    @property
    def ready(self) -> Sequence[int]:
        """Sorted tasks that can go on."""
        ...

    @property
    def pending(self) -> Mapping[int, Operation]:
        """What each of them is about to do."""
        ...

    @property
    def steps(self) -> Sequence[Step]:
        """What has been done in this attempt so far."""
        ...

    def position(self, task: int) -> int:
        """How many grants the task has had."""
        ...

    def default(self, last: int) -> int:
        """Who goes next in an undisturbed run."""
        ...

    def earliest(self) -> int:
        """The task whose pending operation ends first. Raises UsageError when no costs are charged."""
        ...


class Scheduler(Protocol):
    """Who goes next. One instance serves a whole campaign."""

    def begin(self, attempt: int) -> None:
        """A new attempt of a run starts."""
        ...

    def choose(self, frontier: Frontier, last: int) -> int:
        """One of the sorted tasks in ``frontier.ready``. ``last`` is the task that went last, -1 at the start."""
        ...


class Judge(Protocol):
    """Says whether what happens violates something. One instance serves one run."""

    excused: bool
    """Set when a fault has struck: what the survivors raise, and that they wait for the dead, is not judged then."""

    def begin(self) -> None:
        """A new attempt of the run starts."""
        ...

    def observe(self, engine: Engine) -> Violation | None:
        """Judge the instant after a step."""
        ...

    def finish(self, engine: Engine, *, died: bool) -> Violation | None:
        """Judge the end of an attempt."""
        ...


class AttemptRecord(msgspec.Struct):
    """What one attempt did."""

    steps: list[Step]
    endings: dict[int, Ending]
    died: bool
    faults: list[tuple[int, str]]
    """(position in steps, what struck there, or what the file system answered in that step)."""
    times: list[int]
    """Each rank's clock at the end, in nanoseconds since the Unix epoch."""
    ended: int
    """What no clock has passed."""
    last_change: int
    """The modification time that was given last, 0 if there is none."""
    saves: list[Saved]
    usage: Usage | None
    """What each rank used, where the scenario has costs."""
    output: dict[int, str] = {}
    """The end of what each rank printed, of those that did."""
    meetings: list[Meeting] = []
    """The collectives of an unmodified program."""


class Run(msgspec.Struct):
    """A whole run: its tape, what happened, and the first violation. ``incomplete`` says which budget ended it."""

    tape: Tape
    attempts: list[AttemptRecord]
    violation: Violation | None = None
    incomplete: str | None = None
    interleaved: bool = False
    met: frozenset[str] = frozenset()
    """The signatures of the known failures that it went past."""

    @property
    def violation_name(self) -> str | None:
        """The violated invariant, if any."""
        return None if self.violation is None else self.violation.invariant

    @property
    def operations(self) -> int:
        """The number of operations of all attempts."""
        return sum(len(attempt.steps) for attempt in self.attempts)


EngineFactory = Callable[[Filesystem, Conditions], Engine]
"""Makes the engine of one attempt."""


def execute(
    filesystem: Filesystem,
    engine_factory: EngineFactory,
    scheduler: Scheduler,
    *,
    judge: Judge | None = None,
    plan: Tape | None = None,
    faults: Faults | None = None,
    ranks_per_node: int = 1,
    restarts: int = 0,
    budgets: Budgets | None = None,
    draw: Draw | None = None,
) -> Run:
    """Carry out one run and stop at the first violation.

    ``plan`` holds the faults that are to strike (its schedule entries are not looked at: they are the scheduler's), and
    what the file system answers where it has a choice, unless that is to be drawn by ``draw``.
    Garbage collection is off meanwhile: a collected file object would close itself on whichever rank runs.
    """
    budgets = budgets or Budgets()
    faults = faults or Faults()
    choices: dict[Address, int] = {}
    planned = plan.choices if plan is not None else {}
    run = Run(Tape(choices), [])
    deadline = time.perf_counter() + budgets.wall_seconds
    enabled = gc.isenabled()
    interruption.look_up()
    gc.disable()
    try:
        with watchdog(budgets.wall_seconds):
            for attempt in range(restarts + 1):
                conditions = _conditions(run, attempt, planned, faults, choices)
                engine = engine_factory(filesystem, conditions)
                answers = Answers(filesystem, engine, attempt, planned, choices, draw)
                _attempt(
                    run,
                    engine,
                    conditions,
                    scheduler,
                    judge,
                    Strikes(planned, attempt, engine, faults.errors, ranks_per_node, choices, filesystem),
                    planned,
                    budgets,
                    deadline,
                    choices,
                )
                record = run.attempts[-1]
                record.faults = answers.among(record.faults, record.steps)
                if run.violation is not None or run.incomplete is not None:
                    break
    except Stuck as stuck:
        run.incomplete = str(stuck)
    finally:
        if enabled:
            gc.enable()
    # Code under test may have caught what was raised to end it: nothing of such a run counts.
    interruption.look_up()
    return run


def _conditions(
    run: Run, attempt: int, planned: Mapping[Address, int], faults: Faults, choices: dict[Address, int]
) -> Conditions:
    """What the next attempt of a run begins under. It begins where the last one ended."""
    last = run.attempts[-1] if run.attempts else None
    start, last_change = (EPOCH, 0) if last is None else (last.ended, last.last_change)
    drawn = {
        (kind, who, n): value
        for (when, kind, who, n), value in planned.items()
        if when == attempt and kind in ("skew", "slow") and value
    }
    if not drawn:
        return Conditions(attempt, start, last_change)
    choices.update({(attempt, *address): value for address, value in drawn.items()})
    skews: dict[int, NodeClock] = {
        node: node_clock(
            drawn.get(("skew", node, 0), 0), drawn.get(("skew", node, 1), 0), faults.clock_skew, faults.clock_drift
        )
        for kind, node, _ in drawn
        if kind == "skew"
    }
    slowdowns = {rank: faults.slow_factor for kind, rank, _ in drawn if kind == "slow"}
    return Conditions(attempt, start, last_change, skews, slowdowns)


def _attempt(
    run: Run,
    engine: Engine,
    conditions: Conditions,
    scheduler: Scheduler,
    judge: Judge | None,
    strikes: Strikes,
    planned: Mapping[Address, int],
    budgets: Budgets,
    deadline: float,
    choices: dict[Address, int],
) -> None:
    attempt = conditions.attempt
    if strikes.is_wanted:
        engine.strike = strikes
    scheduler.begin(attempt)
    if judge is not None:
        judge.begin()
    last, after_kill, died, interleaved = -1, -1, False, False
    ready, steps = engine.ready, engine.steps
    reviewed = min(_REVIEWED_AFTER, budgets.operations)
    try:
        engine.start()
        strikes.after(last)
        violation = judge.observe(engine) if judge is not None else None
        while ready and violation is None:
            if strikes.killed:
                if after_kill < 0:
                    if judge is not None:
                        judge.excused = True
                    after_kill = planned.get((attempt, "end", -1, 0), 0)
                    if after_kill:
                        choices[attempt, "end", -1, 0] = after_kill
                if after_kill == 0:
                    break
                after_kill -= 1
            task = scheduler.choose(engine, last)
            if task != engine.default(last):
                choices[attempt, "schedule", last, engine.position(last)] = task + 1
            interleaved = interleaved or len(ready) > 1
            engine.grant(task)
            last = task
            if strikes.has_outage:
                strikes.after(task)
            if judge is not None:
                if strikes.killed:
                    judge.excused = True
                violation = judge.observe(engine)
            if len(steps) >= reviewed:
                run.incomplete = _used_up(engine, budgets, deadline, conditions.start)
                if run.incomplete is not None:
                    break
                reviewed = min(len(steps) + _REVIEWED_AFTER, budgets.operations)
        died = strikes.killed
        if violation is None and run.incomplete is None and judge is not None:
            judge.excused = judge.excused or died
            violation = judge.finish(engine, died=died)
        if violation is not None and violation.outage is not None:
            strikes.add(last, violation.outage)
        run.violation = violation
    finally:
        run.interleaved = run.interleaved or interleaved
        times, ended, last_change = engine.times(), engine.latest(), engine.last_change()
        usage = None if engine.charging is None else engine.charging.usage
        endings = dict(engine.endings)
        recorded = list(steps)
        engine.close()
        run.attempts.append(
            AttemptRecord(
                recorded,
                endings,
                died,
                strikes.struck,
                times,
                ended,
                last_change,
                list(engine.saves),
                usage,
                {rank: output.text() for rank, output in engine.output.items()},
            )
        )


_REVIEWED_AFTER = 256
"""Steps between two looks at the budgets of time."""


def _used_up(engine: Engine, budgets: Budgets, deadline: float, start: int) -> str | None:
    """Which budget is used up, in words. Raises Interrupted where the command is to end."""
    interruption.look_up()
    if len(engine.steps) >= budgets.operations:
        return f"operations: {budgets.operations} were carried out and the ranks had not ended"
    if time.perf_counter() > deadline:
        return f"wall time: {budgets.wall_seconds} s passed and the ranks had not ended"
    if engine.latest() - start > budgets.virtual_seconds * SECOND:
        return f"virtual time: {budgets.virtual_seconds:g} s passed on a rank's clock and the ranks had not ended"
    return None
