"""Names that differ from run to run although the program does the same: random ones, process ids, times of day.

A trace must be the same for the same tape, so a name that a program draws is known by who drew it and when:
``.tmp*0.1`` is the second such name of rank 0. That it was drawn is told by its form, and only where the program
makes sure that it is new (O_EXCL, mkdir), as tempfile, mkstemp(3) and Rust's tempfile do. A name of that form that was
not drawn is put as a star, too, always: what counts is that the same is done in each run.
"""

from __future__ import annotations

import os
import re
import time
from typing import Final

import msgspec

from simulator.operations import Link, Mkdir, Open, Operation, Rename

_DRAWN_FILE: Final = re.compile(r"(?P<before>\.?tmp|.*[-_.])(?:[a-z0-9_]{8}|[A-Za-z0-9]{6})(?P<after>\.[a-z0-9]{1,5})?")
_DRAWN_DIRECTORY: Final = re.compile(r"(?P<before>.*tmp[-_.]?)(?:[a-z0-9_]{8}|[A-Za-z0-9]{6})(?P<after>)")
_NUMBER: Final = re.compile(r"(?<!\d)\d{4,19}(?!\d)")
_CLOSE: Final = 100_000
"""Seconds by which a number may differ from the present to be a time of day."""


class Names:
    """The names of one run that were drawn, by what they are known as."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._drawn: dict[int, int] = {}
        self._processes: dict[int, str] = {}

    def add_process(self, process: int, rank: int) -> None:
        """A process of the program: its id may be part of a name."""
        self._processes.setdefault(process, f"<pid of rank {rank}>")

    def watch(self, rank: int, operation: Operation) -> None:
        """Learn a name that the operation is about to make, if its form says that it was drawn."""
        if isinstance(operation, Rename | Link):
            # Elsewhere nobody hears of the making: as of what is moved or linked here once it is whole.
            for path in (operation.source, operation.target):
                if path.startswith("/"):
                    *above, last = path.split("/")
                    for name in above:
                        self._learn(rank, name, _DRAWN_DIRECTORY)
                    self._learn(rank, last, _DRAWN_FILE)
            return
        form = _DRAWN_DIRECTORY if isinstance(operation, Mkdir) else _DRAWN_FILE
        if isinstance(operation, Open):
            if operation.flags & (os.O_CREAT | os.O_EXCL) != os.O_CREAT | os.O_EXCL:
                return
        elif not isinstance(operation, Mkdir):
            return
        self._learn(rank, operation.path.rpartition("/")[2], form)

    def _learn(self, rank: int, name: str, form: re.Pattern[str]) -> None:
        found = form.fullmatch(name)
        if found is None or name in self._known:
            return
        count = self._drawn.get(rank, 0)
        self._drawn[rank] = count + 1
        self._known[name] = f"{found['before']}*{rank}.{count}{found['after'] or ''}"

    def applied(self, operation: Operation) -> Operation:
        """The operation with its paths put as what they are."""
        changes = {}
        for field in ("path", "source", "target"):
            value = getattr(operation, field, None)
            if isinstance(value, str):
                canonical = self.canonical(value)
                if canonical != value:
                    changes[field] = canonical
        return msgspec.structs.replace(operation, **changes) if changes else operation

    def canonical(self, path: str) -> str:
        """The path with every drawn name, process id and time of day put as what it is."""
        return "/".join(self._component(name) for name in path.split("/"))

    def _component(self, name: str) -> str:
        known = self._known.get(name)
        if known is not None:
            return known
        if not any(character.isdigit() for character in name):
            return name
        return _NUMBER.sub(lambda found: self._number(found.group()), name)

    def _number(self, digits: str) -> str:
        value = int(digits)
        known = self._processes.get(value)
        if known is not None:
            return known
        return "<time>" if any(abs(value / unit - time.time()) < _CLOSE for unit in (1, 1e3, 1e6, 1e9)) else digits


def undrawn(path: str) -> str:
    """The path with a star for what may be drawn in its names: what two threads are to do is compared by the rest."""
    return "/".join(_undrawn(name) for name in path.split("/"))


def _undrawn(name: str) -> str:
    found = _DRAWN_FILE.fullmatch(name) or _DRAWN_DIRECTORY.fullmatch(name)
    if found is None:
        return name
    before, after = found["before"], found["after"] or ""
    drawn = name[len(before) : len(name) - len(after)]
    # Such as shard-00000001 and run-training: both are of that form, and neither is random.
    if (drawn.isdigit() or drawn.isalpha()) and not before.endswith("tmp"):
        return name
    return f"{before}*{after}"
