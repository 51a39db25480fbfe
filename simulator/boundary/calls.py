"""Handing an operation over, with errors as the functions of ``os`` raise them, and refusing what must not happen."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

from simulator.boundary.caller import Caller
from simulator.errors import Escape
from simulator.operations import Operation, Seek
from simulator.originals import strerror

Simulated: TypeAlias = Callable[..., Any]
"""What is called in place of a function while a rank runs: the caller, then the function's own arguments."""

LONGEST_ARGUMENT = 80


def act(caller: Caller, operation: Operation, path: Any = None, second: Any = None) -> Any:
    """Perform an operation. An OSError gets the file names that the caller passed: strings, bytes or a descriptor."""
    try:
        return caller.perform(operation)
    except OSError as error:
        if path is not None:
            error.filename = path if isinstance(path, int) else os.fspath(path)
        if second is not None:
            error.filename2 = os.fspath(second)
        raise


def require_open(caller: Caller, fd: int) -> None:
    """Raise EBADF if a simulated descriptor is not open. To ask is the rank's own affair, so no scheduling point."""
    caller.perform(Seek(fd, 0, os.SEEK_CUR))


def error_of(number: int, path: Any = None) -> OSError:
    """The OSError of an errno, for calls that fail without an operation."""
    if path is None:
        return OSError(number, strerror(number))
    return OSError(number, strerror(number), path if isinstance(path, int) else os.fspath(path))


def refuse(caller: Caller, call: str) -> NoReturn:
    """End the run, since a call reached past the simulation. Code under test cannot make it happen by going on."""
    caller.escaped(call)
    raise Escape(f"rank {caller.rank} reached past the simulation: {call}")


def refuse_call(caller: Caller, function: str, *arguments: Any) -> NoReturn:
    """As ``refuse``, naming the function and its arguments."""
    refuse(caller, described(function, *arguments))


def described(function: str, *arguments: Any) -> str:
    """A call as a person would write it, the middle of long arguments left out."""
    return f"{function}({', '.join(_shortened(argument) for argument in arguments)})"


def _shortened(argument: Any) -> str:
    text = repr(os.fspath(argument)) if isinstance(argument, os.PathLike) else repr(argument)
    if len(text) <= LONGEST_ARGUMENT:
        return text
    # The end of a path tells most.
    return text[: LONGEST_ARGUMENT // 3] + "…" + text[-2 * LONGEST_ARGUMENT // 3 :]
