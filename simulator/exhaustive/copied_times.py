"""Times that code takes from one file and gives to another, as ``shutil.copystat`` does.

In another order of what commutes, the first file has another time, and so must the second. Only the operation that sets
it is recorded, with the time as a number; where it comes from is told by the stats of the run, since no two changes of
a run have the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from simulator.clock import EPOCH
from simulator.engines.interface import Step
from simulator.filesystems import Attributes
from simulator.operations import Operation, Utime

Known = tuple[Attributes, Attributes]
"""What a stat gave when it was recorded, and what it gives now."""


def sets_own_times(steps: Sequence[Step]) -> bool:
    """Whether one of the steps of a run gives a file a time that no stat before it has given: a clock's, say."""
    for position, step in enumerate(steps):
        operation = step.operation
        if type(operation) is Utime and operation.times is not None:
            stats = (other.value for other in steps[:position] if isinstance(other.value, Attributes))
            seen = {time for value in stats for time in _times(value)}
            if any(time >= EPOCH and time not in seen for time in operation.times):
                return True
    return False


def translated(operation: Operation, known: Iterable[Known]) -> Operation:
    """The same operation with times as they are now."""
    if not isinstance(operation, Utime) or operation.times is None:
        return operation
    now = {time: new for before, after in known for time, new in zip(_times(before), _times(after), strict=True)}
    accessed, modified = operation.times
    return msgspec.structs.replace(operation, times=(now.get(accessed, accessed), now.get(modified, modified)))


def alike(operation: Operation, other: Operation) -> bool:
    """Whether two operations are the same but for the times that they set."""
    if isinstance(operation, Utime) and isinstance(other, Utime) and operation.times and other.times:
        other = msgspec.structs.replace(other, times=operation.times)
    return operation == other


def _times(attributes: Attributes) -> tuple[int, int, int]:
    return attributes.accessed, attributes.modified, attributes.changed
