"""Where results go: traces into a directory of their own, JSON into a file or onto standard output."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from simulator.errors import CannotDo, CkptraceError, UsageError
from simulator.reports.setting import subject
from simulator.trace import Trace, encoded, escaped, load
from simulator.writing import try_to_write, visible, write_new, write_whole

Written = TypeVar("Written")


def check_directory(directory: Path) -> None:
    """Raise UsageError, naming the path, when nothing could be written there: before the search, not after it.

    Nothing is left behind: a directory that does not exist yet is looked for at its nearest parent that does.
    """
    place = directory
    try:
        while not place.exists() and place != place.parent:
            place = place.parent
    except OSError as error:  # Its name is too long, say.
        raise UsageError(f"{place}: {error.strerror}") from error
    if not place.is_dir():
        raise UsageError(f"{place}: Not a directory")
    # By trying, since access(2) says yes to root on a read-only mount.
    try_to_write(place)


def check_file(name: str | None) -> None:
    """The same for a file to be written: ``-`` is standard output, None is nothing."""
    if name is None or name == "-":
        return
    path = Path(name)
    try:
        is_directory = path.is_dir()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if is_directory:
        raise UsageError(f"{path}: Is a directory")
    check_directory(path.parent)


class Outputs:
    """Writes what a command leaves, one file after the other. What is refused is said when everything else was done.

    So a full disk costs a file, and neither the others nor the verdict.
    """

    def __init__(self) -> None:
        self._refused: list[str] = []

    def write(self, write: Callable[..., Written], *arguments: Any) -> Written | None:
        """Call ``write`` with the arguments; gives what it returns, or None where it cannot write."""
        try:
            return write(*arguments)
        except CkptraceError as error:
            self.add(error)
            return None

    def add(self, error: CkptraceError) -> None:
        """Something was refused elsewhere."""
        self._refused.append(str(error))

    def conclude(self, verdict: str) -> None:
        """Raise CannotDo, naming each file and the verdict, if anything could not be written."""
        if self._refused:
            raise CannotDo(f"{'; '.join(self._refused)} (verdict: {verdict})")


def write_trace(trace: Trace, directory: Path) -> Path:
    """Write a trace under a name that no other trace has, and give the path. The same trace is not written twice."""
    invariant = trace.verdict.invariant if trace.verdict is not None else "clean"
    tested = Path(subject(trace.scenario).partition(" ")[0]).name
    name = re.sub(r"[^\w.-]+", "-", f"{tested}-{invariant}").strip("-")
    stem = f"{name}-{trace.digest[:8]}"
    number = 1
    while True:
        path = directory / (f"{stem}.json" if number == 1 else f"{stem}-{number}.json")
        if write_new(path, encoded(trace)):
            return path
        if _holds(path, trace):
            return path
        number += 1


def _holds(path: Path, trace: Trace) -> bool:
    try:
        known = load(path)
    except CkptraceError:
        return False
    return (known.digest, known.scenario, known.tape) == (trace.digest, _plain(trace.scenario), trace.tape)


def _plain(table: dict[str, Any]) -> Any:
    """The table as reading it back from JSON gives it."""
    return msgspec.json.decode(msgspec.json.encode(table))


def say(message: str) -> None:
    """One line on stderr, in the tool's name."""
    print(visible(f"ckptrace: {message}"), file=sys.stderr)


def write_json(table: object, name: str) -> None:
    """Write a JSON document to a file, whole or not at all, or to standard output (``-``)."""
    data = msgspec.json.format(msgspec.json.encode(escaped(table)), indent=2) + b"\n"
    if name == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    write_whole(Path(name), data)
