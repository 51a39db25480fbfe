"""Tells the supervisor how to find the source line of a held call in this interpreter's memory, and where it raised.

The supervisor reads the frames of a thread that is held, so nothing is done here at a call. What it has to know of
the interpreter's structures it finds out once, by looking for what is said here about the frames of this moment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import posix
import sys
import sysconfig
import threading
import types
from typing import Any

import ckptrace_saying
import ckptrace_shown

_MOST = 12
"""Frames that are described: enough that nothing else could look like them."""
_OWN = os.path.dirname(os.path.abspath(__file__))


class _Beginning:
    """The directory that the program was started in: relative names of source files are meant from there."""

    directory = ""


def begin() -> None:
    """The program is about to begin in this process. Say later where an uncaught exception comes from that ends it.

    It is printed as it would have been.
    """
    with contextlib.suppress(OSError):
        _Beginning.directory = os.getcwd()
    original, process = sys.excepthook, os.getpid()

    def excepthook(kind: Any, error: Any, frames: Any) -> None:
        # A program may call this to print an exception that does not end it.
        if os.getpid() == process and sys._getframe().f_back is None:
            raised(frames)
        original(kind, error, frames)

    sys.excepthook = excepthook


def describe() -> None:
    """Say where the frames of this thread are, and what they are: twice, so that a chance likeness is told from it."""
    with contextlib.suppress(Exception):
        _describe(again=False)
        (lambda: _describe(again=True))()


def _describe(again: bool) -> None:
    frame: Any = sys._getframe()
    state = ctypes.pythonapi.PyThreadState_Get
    state.restype, state.argtypes = ctypes.c_void_p, []
    frames: list[list[Any]] = []
    while frame is not None and len(frames) < _MOST:
        code = frame.f_code
        known = [id(code), id(code.co_filename), id(code.co_linetable), code.co_firstlineno]
        frames.append([*known, frame.f_lasti, frame.f_lineno])
        frame = frame.f_back
    path = ckptrace_saying.as_path(
        "frames",
        thread=threading.get_native_id(),
        state=state(),
        code_type=id(types.CodeType),
        instructions=types.CodeType.__basicsize__,
        # What comes before the characters; behind them there is a zero. A constant may have a copy in UTF-8.
        ascii_at=sys.getsizeof("") - 1,
        wide_at=sys.getsizeof("\xe9" * len("ab")) - 3,
        frames=frames,
        file=__file__,
        library=_library(),
        directory=_Beginning.directory,
        again=again,
    )
    if path is not None:
        # Here, so that nothing is above the first of these frames.
        posix.access(path, posix.F_OK)


def raised(frames: Any) -> None:
    """An exception that came through these frames ends the program: say the line, if there is one to name."""
    with contextlib.suppress(Exception):
        site, found, library = None, ckptrace_shown.SERVING, tuple(_library())
        while frames is not None:
            file = frames.tb_frame.f_code.co_filename
            worth = ckptrace_shown.worth(file, library)
            if worth >= found:
                found = worth
                site = f"{os.path.join(_Beginning.directory, file)}:{frames.tb_lineno}"
            frames = frames.tb_next
        if site is not None:
            ckptrace_saying.say("raised", site=site)


def _library() -> list[str]:
    """The directories of the standard library, by all their names, and this one."""
    named = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), os.path.dirname(os.__file__), _OWN]
    return sorted({each for name in named if name for each in (name, os.path.realpath(name))})
