"""A recorded run once more, for what its file does not hold: what each step touched, and when it began and ended.

Both need the code under test, which runs again on the model. The run must do what was recorded, step by step. A trace
of an unmodified program needs none of it: its events are carried out on the model, and nothing takes time.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from simulator.boundary import installed
from simulator.campaigns.command.fallback import holds_calls
from simulator.campaigns.command.retracing import retraced
from simulator.campaigns.replay.divergence import Comparer
from simulator.campaigns.replay.replaying import experiment_of_trace
from simulator.campaigns.trust import NO_TRUST, Trust
from simulator.clock import EPOCH
from simulator.engines.charging import Charging
from simulator.engines.interface import Engine
from simulator.errors import CannotDo
from simulator.filesystems import Filesystem
from simulator.happens_before import HappensBefore, Looks, times_in, times_of
from simulator.invariants import Violation
from simulator.operations import Operation
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from simulator.trace import Trace

Moment = tuple[int, int]
"""When a step began and what it took, in nanoseconds since the first attempt began."""


class Reenacted(msgspec.Struct, frozen=True):
    """One attempt: the order of its steps, and when each was, by (task, n); empty where nothing takes time.

    Of what came before the first choice of the schedule, and of the end of a wait for a background task, no time is
    known.
    """

    order: HappensBefore
    moments: dict[tuple[int, int], Moment]


def reenact(trace: Trace, *, trust: Trust = NO_TRUST) -> list[Reenacted]:
    """Every attempt of a recorded run.

    Raises UsageError when the code under test cannot be had, Divergence, naming the first step that differs, when it
    has changed, and CannotDo for a file system that tells nothing of what operations touch.
    """
    if holds_calls(trace.scenario):
        return [Reenacted(order, {}) for order in retraced(trace)]
    experiment = experiment_of_trace(trace, trust=trust)
    observers: list[_Timekeeper] = []

    def judge_by(filesystem: Filesystem) -> _Timekeeper:
        if not hasattr(filesystem, "accesses"):
            profile = experiment.scenario.filesystem.profile
            raise CannotDo(f"the file system {profile!r} does not tell what operations touch")
        observers.append(_Timekeeper(Comparer(experiment.judge(filesystem), trace)))
        return observers[-1]

    with installed():
        experiment.rehearse(TapeReplay(Tape()))
        run = experiment.run(TapeReplay(trace.choices()), trace.choices(), detail=True, effects=True, judge_by=judge_by)
    (observer,) = observers
    observer.comparer.conclude(run)
    result = []
    for record, moments in zip(run.attempts, observer.moments, strict=True):
        steps = record.steps
        looked = {time for step in steps if step.effects is not None for time in times_in(step.effects.accesses)}
        result.append(Reenacted(HappensBefore(steps, Looks(times_of(looked))), moments))
    return result


class _Timekeeper:
    """A judge that also has the engine's charges noted; implements ``run.Judge``."""

    def __init__(self, comparer: Comparer) -> None:
        self.comparer = comparer
        self.moments: list[dict[tuple[int, int], Moment]] = []

    @property
    def excused(self) -> bool:
        """See ``run.Judge``."""
        return self.comparer.excused

    @excused.setter
    def excused(self, value: bool) -> None:
        self.comparer.excused = value

    def begin(self) -> None:
        """See ``run.Judge``."""
        self.moments.append({})
        self.comparer.begin()

    def observe(self, engine: Engine) -> Violation | None:
        """The first call comes before the first grant: from then on charges are noted."""
        charging = engine.charging
        if charging is not None and not isinstance(charging, _Noting):
            engine.charging = cast(Any, _Noting(charging, self.moments[-1]))
        return self.comparer.observe(engine)

    def finish(self, engine: Engine, *, died: bool) -> Violation | None:
        """See ``run.Judge``."""
        return self.comparer.finish(engine, died=died)


class _Noting:
    """Stands in for an attempt's charging, and notes when each step was."""

    def __init__(self, charging: Charging, moments: dict[tuple[int, int], Moment]) -> None:
        self._charging = charging
        self._moments = moments

    def __getattr__(self, name: str) -> Any:
        return getattr(self._charging, name)

    def charge(self, task: Any, operation: Operation, duration: int, value: Any, failed: bool) -> None:
        """An operation has been carried out: it has just ended."""
        self._note(task, self._charging.shown(task) - duration, duration)
        self._charging.charge(task, operation, duration, value, failed)

    def wait(self, task: Any, operation: Operation, moment: int, size: int) -> int:
        """A collective is complete: the task arrived when its clock says, and goes on after the latency."""
        arrived = self._charging.shown(task)
        latency = self._charging.wait(task, operation, moment, size)
        self._note(task, arrived, self._charging.shown(task) - arrived + latency)
        return latency

    def _note(self, task: Any, began: int, duration: int) -> None:
        self._moments[task.number, task.count] = (began - EPOCH, duration)
