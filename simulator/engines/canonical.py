"""The canonical form of a step: the same for the same tape, whichever engine or file system carried it out.

Left out on purpose: inode numbers, times, sizes and link counts of directories, device numbers, and free space, which
differ between file systems without meaning anything. Descriptors are small numbers of the rank's own. An ENOTEMPTY of
a rename over a directory and an EEXIST are one class (rename(2) allows both, XFS gives the second).
"""

from __future__ import annotations

import errno
import stat
from typing import Any

from simulator.engines.interface import Step
from simulator.filesystems import FIRST_DESCRIPTOR, Attributes
from simulator.operations import Open, Operation, Read, Readdir, Rename, Stat, Statvfs, Utime, summarise
from simulator.trace import Event, escaped

_TIMES = Utime.__struct_fields__.index("times")


def event_of(step: Step) -> Event:
    """The trace's event of one step."""
    kind, arguments = summarise(step.operation)
    if isinstance(step.operation, Utime) and step.operation.times is not None:
        # Mostly copied from another file; what reading does to a time of access is a matter of how a disk is mounted.
        arguments[_TIMES] = "given"
    return Event(
        rank=step.rank,
        task=step.task,
        n=step.n,
        kind=kind,
        arguments=[_descriptor(argument) for argument in arguments],
        result=None if step.error is not None else _result(step.operation, step.value),
        error=None if step.error is None else _error(step.operation, step.error),
        site=step.site,
    )


def _descriptor(value: Any) -> Any:
    if isinstance(value, int) and value >= FIRST_DESCRIPTOR and not isinstance(value, bool):
        return f"fd{value - FIRST_DESCRIPTOR}"
    return value


def _error(operation: Operation, error: OSError) -> str:
    number = error.errno
    if isinstance(operation, Rename) and number == errno.EEXIST:
        number = errno.ENOTEMPTY
    return errno.errorcode.get(number or 0, str(number))


def _result(operation: Operation, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(operation, Open):
        return _descriptor(value)
    if isinstance(operation, Stat):
        return _attributes(value)
    if isinstance(operation, Readdir):
        return [[escaped(name), kind] for name, kind, _ in value]
    if isinstance(operation, Read):
        return f"{len(value)} bytes"
    if isinstance(operation, Statvfs):
        return None
    return escaped(value) if isinstance(value, bool | int | str) else None


def _attributes(value: Attributes) -> list[int | str | None]:
    directory = stat.S_ISDIR(value.mode)
    return [stat.filemode(value.mode), None if directory else value.size]
