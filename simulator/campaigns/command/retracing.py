"""What the operations of a recorded program touched: its trace, carried out on the model of a file system.

The program itself is not needed. Where the model does something else than the recording says (a fault that struck, a
permission), the recording is believed: what failed is taken back, and what the model refuses touches what it looked at.
"""

from __future__ import annotations

import os
from typing import Any, Final

from simulator.campaigns.command.meetings import Past, pasts
from simulator.engines.interface import Effects, Step
from simulator.filesystems import FIRST_DESCRIPTOR
from simulator.filesystems.posix.model import PosixModel
from simulator.happens_before import HappensBefore
from simulator.operations import Access, Extent, Mode, Open, Operation, Sleep, Stat, Utime, Write
from simulator.operations.footprint import data
from simulator.trace import Event, Trace

_KINDS: Final = {kind.__name__.lower(): kind for kind in Operation.__subclasses__()}
_DESCRIPTORS: Final = ("fd", "target", "at", "source_at", "target_at")


def retraced(trace: Trace) -> list[HappensBefore]:
    """The order of the operations of each attempt: that of each task, of its collectives, and of conflicts.

    Reads are not held, so whoever opens a file to read it is taken to read it then. Who looks at the times of files is
    not known: an order that matters by modification times only is not seen.
    """
    model = PosixModel()
    orders = []
    for attempt in trace.attempts:
        known = pasts(attempt.meetings)
        replica = _Replica(model)
        orders.append(HappensBefore([replica.step(event, known) for event in attempt.events]))
        model.accesses = None
        model.release_all()
    return orders


class _Replica:
    """Carries the events of one attempt out, one after the other."""

    def __init__(self, model: PosixModel) -> None:
        self._model = model
        self._descriptors: dict[tuple[int, int], int] = {}
        self._done: dict[int, int] = {}
        self._time = 0

    def step(self, event: Event, known: Past) -> Step:
        """The step of an event, with what it touched and what it had to wait for."""
        operation = operation_of(event)
        self._time += 1
        effects = Effects(accesses=self._accesses(event, operation))
        # A task whose operations are not all recorded has done at most as many.
        waited = known.get(event.task, {}).get(event.n, ())
        effects.after = [(task, min(n, self._done.get(task, 0))) for task, n in waited]
        self._done[event.task] = self._done.get(event.task, 0) + 1
        value = _number(event.result) if isinstance(operation, Open) else event.result
        return Step(event.task, event.rank, event.n, operation, value, site=event.site, effects=effects)

    def _accesses(self, event: Event, operation: Operation) -> list[Access]:
        accesses: list[Access] = []
        if isinstance(operation, Sleep):
            return accesses
        model, rank = self._model, event.rank
        model.accesses = accesses
        mark = model.mark()
        try:
            value = model.perform(rank, self._placed(rank, operation), self._time)
        except OSError:
            model.forget(mark)
            return accesses
        if event.error is not None:
            model.rollback(mark)
            return accesses
        model.forget(mark)
        if isinstance(operation, Open):
            number = _number(event.result)
            if number is not None:
                self._descriptors[rank, number] = value
            if operation.flags & os.O_ACCMODE != os.O_WRONLY:
                model.accesses = None
                accesses.append((data(model.perform(rank, Stat(value)).inode), Mode.READ))
        return accesses

    def _placed(self, rank: int, operation: Operation) -> Operation:
        """The operation with the model's own descriptors."""
        changes = {}
        for field in _DESCRIPTORS:
            number = getattr(operation, field, None)
            if isinstance(number, int) and (rank, number) in self._descriptors:
                changes[field] = self._descriptors[rank, number]
        values = {field: getattr(operation, field) for field in operation.__struct_fields__}
        return type(operation)(**{**values, **changes}) if changes else operation


def operation_of(event: Event) -> Operation:
    """The operation that an event of a trace records, its bytes as so many zeros."""
    kind: Any = _KINDS[event.kind]
    values: dict[str, Any] = dict(zip(kind.__struct_fields__, event.arguments, strict=False))
    for field in _DESCRIPTORS:
        number = _number(values.get(field))
        if number is not None:
            values[field] = number
    if kind is Write:
        values["data"] = Extent(int(str(values["data"]).split(maxsplit=1)[0]))
    elif kind is Utime and values.get("times") is not None:
        values["times"] = (0, 0)
    operation: Operation = kind(**values)
    return operation


def _number(value: Any) -> int | None:
    """The simulated number of a descriptor as a trace writes it; None for anything else."""
    if isinstance(value, str) and value.startswith("fd") and value[2:].isdigit():
        return FIRST_DESCRIPTOR + int(value[2:])
    return None
