"""Functions of ``os`` that read directories: listdir and scandir. ``walk`` and ``fwalk`` stand on them, unchanged."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, act
from simulator.boundary.directory_entry import DirectoryEntry
from simulator.boundary.paths import outside, target
from simulator.operations import Readdir
from simulator.originals import OS


class DirectoryScan:
    """What scandir gives: an iterator that can be closed and used in a ``with``. The scan itself is over already."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Iterator[DirectoryEntry]) -> None:
        self._entries = entries

    def __iter__(self) -> DirectoryScan:
        return self

    def __next__(self) -> DirectoryEntry:
        return next(self._entries)

    def __enter__(self) -> DirectoryScan:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the scan: a closed scan has no further entries."""
        self._entries = iter(())


def listdir(caller: Caller, path: Any = None) -> list[Any]:
    """As ``os.listdir``: bytes give bytes."""
    path = "." if path is None else path
    where, _ = target(caller, path)
    if where is None:
        real: list[Any] = OS["listdir"](outside(caller, path))
        return real
    found = act(caller, Readdir(where), None if isinstance(path, int) else path)
    if not isinstance(path, str) and not isinstance(path, int) and isinstance(os.fspath(path), bytes):
        return [os.fsencode(entry[0]) for entry in found]
    return [entry[0] for entry in found]


def scandir(caller: Caller, path: Any = None) -> Any:
    """As ``os.scandir``. The whole directory is read when it is called, in one operation."""
    path = "." if path is None else path
    where, _ = target(caller, path)
    if where is None:
        return OS["scandir"](outside(caller, path))
    if isinstance(where, int):
        return DirectoryScan(iter([
            DirectoryEntry(name, name, kind, inode, (name, where), caller)
            for name, kind, inode in act(caller, Readdir(where))
        ]))  # fmt: skip
    shown = os.fspath(path)
    inside = where if not where or where.endswith("/") else where + "/"
    found = act(caller, Readdir(where), path)
    if isinstance(shown, bytes):
        prefix = shown if shown.endswith(b"/") else shown + b"/"
        return DirectoryScan(iter([
            DirectoryEntry(os.fsencode(name), prefix + os.fsencode(name), kind, inode, (inside + name, None), caller)
            for name, kind, inode in found
        ]))  # fmt: skip
    before = shown if shown.endswith("/") else shown + "/"
    return DirectoryScan(iter([
        DirectoryEntry(name, before + name, kind, inode, (inside + name, None), caller) for name, kind, inode in found
    ]))  # fmt: skip


FUNCTIONS: Final[dict[str, Simulated]] = {"os:listdir": listdir, "os:scandir": scandir}
