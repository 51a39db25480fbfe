"""Compares a run with a recorded one, step by step while it goes, and names the first difference."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.engines.canonical import event_of
from simulator.engines.interface import Engine
from simulator.errors import Divergence
from simulator.invariants import Violation
from simulator.narration import Narrator
from simulator.run import Judge, Run
from simulator.trace import Event, Trace, escaped

SAME_STEPS = "all steps are the same"
"""How a difference begins that is none of the schedule."""


class Comparer:
    """A judge that also compares; ``difference`` is the first difference, in words, after ``followed`` equal steps.

    ``recorded`` and ``running`` are what the two runs are called in it. With ``strict`` the first difference raises
    Divergence. ``conclude`` must be called when the run has ended.
    """

    def __init__(
        self,
        judge: Judge,
        trace: Trace,
        *,
        recorded: str = "the recording",
        running: str = "this run",
        strict: bool = True,
    ) -> None:
        self._judge = judge
        self._trace = trace
        self._recorded = recorded
        self._running = running
        self._strict = strict
        self._attempt = -1
        self._position = 0
        self._events: Sequence[Event] = ()
        self.followed = 0
        self.difference: str | None = None

    @property
    def excused(self) -> bool:
        """See ``run.Judge``."""
        return self._judge.excused

    @excused.setter
    def excused(self, value: bool) -> None:
        self._judge.excused = value

    def begin(self) -> None:
        """See ``run.Judge``."""
        self._attempt += 1
        self._position = 0
        attempts = self._trace.attempts
        self._events = attempts[self._attempt].events if self._attempt < len(attempts) else ()
        self._judge.begin()

    def observe(self, engine: Engine) -> Violation | None:
        """Compare what has been done since the last call, then judge."""
        self._compare(engine)
        return self._judge.observe(engine)

    def finish(self, engine: Engine, *, died: bool) -> Violation | None:
        """See ``run.Judge``."""
        self._compare(engine)
        return self._judge.finish(engine, died=died)

    def conclude(self, run: Run) -> None:
        """Compare where the run ended, and with which verdict."""
        if self.difference is not None:
            return
        if run.incomplete is not None:
            self._differ(f"{self._running} did not end: {run.incomplete}")
        elif self._position < len(self._events) or self._attempt + 1 < len(self._trace.attempts):
            violation = run.violation
            end = "ends" if violation is None else f"violates {violation.invariant} ({violation.message})"
            self._differ(f"{self._running} {end} here, where {self._recorded} {self._next()}")
        else:
            verdict = self._trace.verdict
            before = "no violation" if verdict is None else f"{verdict.invariant}: {verdict.message}"
            now = "no violation" if run.violation is None else f"{run.violation.invariant}: {run.violation.message}"
            # As a file holds it: a name in it that is no UTF-8 cannot be written as it is.
            if escaped(verdict.signature if verdict else None) != escaped(run.violation and run.violation.signature):
                self._differ(f"{SAME_STEPS}, but {self._recorded} has {before}; {self._running} has {now}")

    def unreachable(self) -> str:
        """Where the recorded order cannot be followed any further, in words."""
        if self.difference is not None:
            return self.difference
        return self._where(f"{self._recorded} {self._next()}, which cannot come next in {self._running}")

    def _compare(self, engine: Engine) -> None:
        steps = engine.steps
        while self.difference is None and self._position < len(steps):
            event = event_of(steps[self._position])
            if self._position >= len(self._events):
                said = _said(event, self._events)
                self._differ(f"{self._recorded} {self._next()}, {self._running} goes on: {said}")
            elif not event.same_as(self._events[self._position]):
                self._differ(self._unlike(event))
            else:
                self._position += 1
                self.followed += 1

    def _unlike(self, event: Event) -> str:
        """The recording's step and this one, with all there is where the words are the same."""
        recorded, before = self._events[self._position], self._events[: self._position]
        then, now = _said(recorded, before), _said(event, before)
        if then == now:
            then, now = _exactly(recorded), _exactly(event)
        return f"{self._recorded} has {then}, {self._running} has {now}"

    def _next(self) -> str:
        """What the recording has at the present position."""
        if self._position < len(self._events):
            return f"has {_said(self._events[self._position], self._events[: self._position])}"
        if self._attempt + 1 < len(self._trace.attempts):
            return "starts the job again"
        verdict = self._trace.verdict
        return "ends" if verdict is None else f"ends with a violation of {verdict.invariant}"

    def _differ(self, text: str) -> None:
        self.difference = self._where(text)
        if self._strict:
            raise Divergence(self.difference)

    def _where(self, text: str) -> str:
        attempt = f"attempt {self._attempt}, " if len(self._trace.attempts) > 1 or self._attempt > 0 else ""
        return f"{attempt}step {self._position}: {text}"


def _said(event: Event, before: Sequence[Event]) -> str:
    """A step in words, ``before`` being those of its attempt that went before it."""
    narrator = Narrator()
    for each in before:
        narrator.tell(each)
    return f"{_actor(event)} {narrator.tell(event)}"


def _exactly(event: Event) -> str:
    """A step with all that is compared of it."""
    arguments = ", ".join(repr(argument) for argument in event.arguments)
    outcome = f" failing with {event.error}" if event.error else "" if event.result is None else f" -> {event.result!r}"
    return f"{_actor(event)} {event.kind}({arguments}){outcome}"


def _actor(event: Event) -> str:
    return f"rank {event.rank}" + ("" if event.task == event.rank else f" (task {event.task})")
