"""Operations in words: a trace's event as a system call with its paths, short enough for one line."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from simulator.operations import FROM_ONE, TO_ONE
from simulator.trace import Event

_DESCRIPTOR = re.compile(r"fd\d+")
_NAME_WIDTH = 8
"""Names of calls are padded to this width, so that paths begin at one column."""
_LEAST_PATH = 24
"""Columns that a path needs before a detail is worth showing beside it."""


class Phrase(msgspec.Struct, frozen=True):
    """One operation in words. ``paths`` are whole, relative to the root; ``detail`` is what else matters of it."""

    call: str
    paths: tuple[str, ...]
    detail: str = ""
    outcome: str = ""
    """What it gave, where that tells something; for a failed operation the name of the errno."""
    refused: bool = False
    """Whether it failed."""

    def __str__(self) -> str:
        """In running text: ``open checkpoint-1/DONE create failing with EEXIST``."""
        said = " ".join(part for part in (self.call, " → ".join(self.paths), self.detail) if part)
        if not self.outcome:
            return said
        return f"{said} failing with {self.outcome}" if self.refused else f"{said} -> {self.outcome}"

    def line(self, width: int | None = None) -> str:
        """The operation without its outcome. To fit ``width`` columns, the detail gives way first, then paths."""
        paths = self.paths
        tail = f"  {self.detail}" if self.detail else ""
        if width is not None and paths:
            room = width - _NAME_WIDTH - 1 - 3 * (len(paths) - 1)
            if room - len(tail) < min(_LEAST_PATH * len(paths), sum(map(len, paths))):
                tail = ""
            paths = _fitted(paths, room - len(tail))
        return f"{self.call:<{_NAME_WIDTH}} {' → '.join(paths)}{tail}".rstrip()


def shortened(path: str, width: int) -> str:
    """A path in at most ``width`` columns: its middle gives way, since beginning and end tell most."""
    if len(path) <= width or width < 3:
        return path if len(path) <= width else path[: max(width, 0)]
    head = (width - 1) // 2
    return path[:head] + "…" + path[len(path) - (width - 1 - head) :]


def _fitted(paths: Sequence[str], room: int) -> tuple[str, ...]:
    """Share ``room`` columns among the paths: what a short one does not need goes to the long ones."""
    widths = [len(path) for path in paths]
    left, given = max(room, 6 * len(paths)), [0] * len(paths)
    for rank, index in enumerate(sorted(range(len(paths)), key=widths.__getitem__)):
        given[index] = min(widths[index], left // (len(paths) - rank))
        left -= given[index]
    return tuple(shortened(path, width) for path, width in zip(paths, given, strict=True))


def source_line(site: str | None) -> str:
    """``file.py:12`` for the place in the code under test, without its directories; empty when it is not known."""
    return posixpath.basename(site) if site else ""


def ranks_in_words(ranks: Sequence[int]) -> str:
    """Ascending ranks: ``rank 3``, ``ranks 1 and 2``, ``ranks 0 to 7``, ``5 ranks``."""
    if len(ranks) == 1:
        return f"rank {ranks[0]}"
    if len(ranks) == 2:
        return f"ranks {ranks[0]} and {ranks[1]}"
    if ranks[-1] - ranks[0] == len(ranks) - 1:
        return f"ranks {ranks[0]} to {ranks[-1]}"
    return f"{len(ranks)} ranks"


class Narrator:
    """Puts the events of one attempt into words, in order: it remembers which path a rank's descriptor stands for."""

    def __init__(self) -> None:
        self._paths: dict[tuple[int, str], str] = {}

    def tell(self, event: Event) -> Phrase:
        """The next event of the attempt in words."""
        words = getattr(self, f"_{event.kind}", None)
        phrase: Phrase = (
            words(event, *event.arguments)
            if words is not None
            else Phrase(event.kind, tuple(str(argument) for argument in event.arguments if argument is not None))
        )
        if event.error is not None:
            return msgspec.structs.replace(phrase, outcome=event.error, refused=True)
        return phrase

    # -- what descriptors stand for -----------------------------------------------------------------------------

    def _target(self, event: Event, target: Any, at: Any = None) -> str:
        """The path behind a path, a descriptor, or a path relative to a descriptor."""
        path = str(target)
        if _DESCRIPTOR.fullmatch(path):
            return self._paths.get((event.rank, path), path)
        path = _printable(path)
        if at is not None:
            path = posixpath.join(self._paths.get((event.rank, str(at)), str(at)), path)
        return path or "."

    # -- one method a call; arguments are the fields of the operation ----------------------------------------------

    def _open(self, event: Event, path: str, flags: int, mode: int = 0o777, at: Any = None) -> Phrase:
        target = self._target(event, path, at)
        if isinstance(event.result, str):
            self._paths[event.rank, event.result] = target
        return Phrase("open", (target,), _opened(flags))

    def _close(self, event: Event, fd: Any) -> Phrase:
        return Phrase("close", (self._target(event, fd),))

    def _read(self, event: Event, fd: Any, size: int, offset: int | None = None) -> Phrase:
        return Phrase("read", (self._target(event, fd),), outcome=_size(event.result))

    def _write(self, event: Event, fd: Any, data: Any, offset: int | None = None) -> Phrase:
        return Phrase("write", (self._target(event, fd),), _size(data))

    def _truncate(self, event: Event, target: Any, size: int) -> Phrase:
        return Phrase("truncate", (self._target(event, target),), f"to {size:,} bytes")

    def _fsync(self, event: Event, fd: Any, data_only: bool = False) -> Phrase:
        return Phrase("fdatasync" if data_only else "fsync", (self._target(event, fd),))

    def _stat(self, event: Event, target: Any, follow: bool = True, at: Any = None) -> Phrase:
        kind = ""
        if isinstance(event.result, Sequence) and event.result and isinstance(event.result[0], str):
            kind = {"d": "directory", "-": "file", "l": "symlink"}.get(event.result[0][:1], "")
        return Phrase("stat" if follow else "lstat", (self._target(event, target, at),), outcome=kind)

    def _access(self, event: Event, path: str, mode: int, at: Any = None, follow: bool = True) -> Phrase:
        return Phrase("access", (self._target(event, path, at),), outcome="yes" if event.result else "no")

    def _readdir(self, event: Event, target: Any) -> Phrase:
        entries = event.result if isinstance(event.result, list | tuple) else ()
        listed = [_printable(str(entry[0])) for entry in entries if isinstance(entry, list | tuple) and entry]
        return Phrase("readdir", (self._target(event, target),), outcome=_some(listed) if listed else "empty")

    def _mkdir(self, event: Event, path: str, mode: int = 0o777, at: Any = None) -> Phrase:
        return Phrase("mkdir", (self._target(event, path, at),))

    def _mkfifo(self, event: Event, path: str, mode: int = 0o666, at: Any = None) -> Phrase:
        return Phrase("mkfifo", (self._target(event, path, at),))

    def _rmdir(self, event: Event, path: str, at: Any = None) -> Phrase:
        return Phrase("rmdir", (self._target(event, path, at),))

    def _unlink(self, event: Event, path: str, at: Any = None) -> Phrase:
        return Phrase("unlink", (self._target(event, path, at),))

    def _rename(self, event: Event, source: str, target: str, source_at: Any = None, target_at: Any = None) -> Phrase:
        return Phrase("rename", (self._target(event, source, source_at), self._target(event, target, target_at)))

    def _link(
        self, event: Event, source: str, target: str, source_at: Any = None, target_at: Any = None, follow: bool = False
    ) -> Phrase:
        return Phrase("link", (self._target(event, source, source_at), self._target(event, target, target_at)))

    def _symlink(self, event: Event, text: str, path: str, at: Any = None) -> Phrase:
        return Phrase("symlink", (self._target(event, path, at),), f"to {text}")

    def _readlink(self, event: Event, path: str, at: Any = None) -> Phrase:
        return Phrase(
            "readlink", (self._target(event, path, at),), outcome=event.result if isinstance(event.result, str) else ""
        )

    def _chmod(self, event: Event, target: Any, mode: int, follow: bool = True, at: Any = None) -> Phrase:
        return Phrase("chmod", (self._target(event, target, at),), f"{mode:o}")

    def _chown(self, event: Event, target: Any, uid: int, gid: int, follow: bool = True, at: Any = None) -> Phrase:
        return Phrase("chown", (self._target(event, target, at),), f"{uid}:{gid}")

    def _setxattr(self, event: Event, target: Any, name: str, follow: bool = True, at: Any = None) -> Phrase:
        return Phrase("setxattr", (self._target(event, target, at),), name)

    def _utime(self, event: Event, target: Any, times: Any = None, follow: bool = True, at: Any = None) -> Phrase:
        return Phrase("utime", (self._target(event, target, at),))

    def _lock(self, event: Event, fd: Any, how: int) -> Phrase:
        return Phrase("flock", (self._target(event, fd),))

    def _statvfs(self, event: Event, target: Any) -> Phrase:
        return Phrase("statvfs", (self._target(event, target),))

    def _sleep(self, event: Event, seconds: float) -> Phrase:
        # Of a sleep until a moment no duration is known.
        return Phrase("sleep", (), f"{seconds:g} s" if seconds else "")

    def _collective(
        self, event: Event, name: str, group: Any, group_id: int = 0, value: Any = None, one: int = 0
    ) -> Phrase:
        way = "from" if name in FROM_ONE else "to" if name in TO_ONE else None
        return Phrase(collective_name(name), (), f"{way} rank {one}" if way else "")

    def _join(self, event: Event, task: int) -> Phrase:
        return Phrase("join", (), f"background task {task}")


def _printable(name: str) -> str:
    """A name may hold line breaks and escape sequences."""
    return name if name.isprintable() else name.encode("unicode_escape").decode("ascii")


def collective_name(name: str) -> str:
    """``all_reduce_sum`` as people write it."""
    return name.replace("all_", "all-").replace("_", " ")


def _opened(flags: int) -> str:
    if flags & os.O_DIRECTORY:
        return "directory"
    access = flags & os.O_ACCMODE
    if flags & os.O_CREAT:
        if flags & os.O_EXCL:
            return "create, must be new"
        if flags & os.O_TRUNC:
            return "create or empty"
        return "create, append" if flags & os.O_APPEND else "create"
    if flags & os.O_APPEND:
        return "append"
    return "read" if access == os.O_RDONLY else "write"


def _size(data: Any) -> str:
    """The size out of ``4096 bytes …``, as a trace keeps content."""
    number = str(data).split(" ", 1)[0]
    return f"{int(number):,} bytes" if number.isdigit() else ""


def _some(names: Sequence[str], most: int = 3) -> str:
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
