"""What a rank prints: kept with the run instead of being shown, since a search runs a program thousands of times.

The ``write`` of the standard streams is replaced on the objects themselves: logging handlers and others keep the
object that they have once found in ``sys``. A stream that came into ``sys`` later is found at the next installation.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import Any, Final

from simulator.boundary.caller import current

MOST_KEPT: Final = 8_000
"""Characters of a rank's output that are kept: the last ones."""

_BY_DESCRIPTOR: Final = (1, 2)


class Output:
    """The end of what one rank has printed."""

    __slots__ = ("_length", "_parts")

    def __init__(self) -> None:
        self._parts: deque[str] = deque()
        self._length = 0

    def add(self, text: str) -> None:
        """What the rank prints next."""
        self._parts.append(text[-MOST_KEPT:])
        self._length += len(self._parts[-1])
        while self._length - len(self._parts[0]) >= MOST_KEPT:
            self._length -= len(self._parts.popleft())

    def text(self) -> str:
        """The last characters of it."""
        return "".join(self._parts)[-MOST_KEPT:]


class Streams:
    """The standard streams of this process, as far as they are replaced."""

    def __init__(self) -> None:
        self._attached: list[Any] = []

    def attach(self) -> None:
        """Replace ``write`` of the streams that are in ``sys`` now; those that do not allow it stay as they are."""
        for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
            for each in (stream, getattr(stream, "buffer", None)):
                if each is None or any(each is known for known in self._attached):
                    continue
                try:
                    setattr(each, "write", _written(each.write))  # noqa: B010  it is no attribute to type checkers
                except AttributeError:
                    continue
                self._attached.append(each)

    def detach(self) -> None:
        """Give every stream its own ``write`` back."""
        for stream in self._attached:
            del stream.write
        self._attached.clear()


def kept(descriptor: int, data: Any) -> bool:
    """Whether what a rank writes to that real descriptor is part of its output, and has been kept as such."""
    caller = current()
    return caller is not None and descriptor in _BY_DESCRIPTOR and caller.printed(_text(data))


def _written(original: Any) -> Any:
    def write(data: Any, /) -> Any:
        caller = current()
        # The original says what is wrong with anything but text or bytes.
        if caller is None or not isinstance(data, str | bytes | bytearray | memoryview):
            return original(data)
        if not caller.printed(_text(data)):
            return original(data)
        return len(data)

    return write


def _text(data: Any) -> str:
    return data if isinstance(data, str) else bytes(data).decode("utf-8", "backslashreplace")
