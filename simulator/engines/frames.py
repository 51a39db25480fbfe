"""Source lines of code under test: of what it does, and of the exceptions that it raises.

Exceptions are kept without the frames that they came through, but with their lines in words.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from types import TracebackType

from simulator.boundary.caller import CURRENT
from simulator.interposition.target.ckptrace_shown import HIDDEN, SHOWN, worth

SIMULATOR = str(Path(__file__).resolve().parent.parent) + os.sep
"""Where the files of this package lie: frames of it are no code under test."""

_STANDARD = tuple({os.path.dirname(os.__file__), os.path.dirname(os.path.realpath(os.__file__))})


@lru_cache(maxsize=1 << 12)
def worth_naming(file: str) -> int:
    """How much a source file says of the code under test; see ``ckptrace_shown.worth``. The simulator's say nothing."""
    if file.startswith("<") and not file.startswith("<frozen "):
        return SHOWN  # What somebody has compiled, such as a test.
    return HIDDEN if file.startswith(SIMULATOR) else worth(file, _STANDARD)


def is_under_test(file: str) -> bool:
    """Whether a source file is neither the simulator's, nor the standard library's, nor of what serves others."""
    return worth_naming(file) == SHOWN


def is_standard(file: str) -> bool:
    """Whether a source file is one of Python's own: what a call in it says is said by the line that called it."""
    return worth_naming(file) == HIDDEN and not file.startswith(SIMULATOR)


def without_frames(error: BaseException) -> str | None:
    """Cut the tracebacks off an exception and all that it came from; a note says where it was raised.

    Gives ``file:line`` of the innermost frame of code under test; failing that, of the innermost one outside the
    simulator; None where there is none.

    A traceback keeps the local variables of every frame alive, also of those that wait below: files that code under
    test has let go of would close late, or never.
    """
    # Python audits each look at a frame. This one is no rank's doing, and the hook that watches ranks lets it pass.
    caller, CURRENT.caller = CURRENT.caller, None
    site, lines = _seen(error.__traceback__)
    CURRENT.caller = caller
    if lines:
        error.add_note("raised at\n" + "\n".join(lines))
    cut_frames(error)
    return site


def cut_frames(error: BaseException) -> None:
    """Cut the tracebacks off an exception and all that it came from, and say nothing about them."""
    known: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in known:
            continue
        known.add(id(each))
        each.__traceback__ = None
        waiting += (each.__cause__, each.__context__)
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions


def _seen(traceback: TracebackType | None) -> tuple[str | None, list[str]]:
    """The line that an exception came from, and the lines that it came through.

    Not those of the simulator, nor of Python's own library where there are others: a failing rmtree has ten.
    """
    inner, serving, outside = None, None, None
    lines: list[str] = []
    standard: list[str] = []
    while traceback is not None:
        code, line = traceback.tb_frame.f_code, traceback.tb_lineno
        file = code.co_filename
        if is_under_test(file):
            inner = file, line
        elif worth_naming(file):
            serving = file, line
        elif not file.startswith(SIMULATOR):
            outside = file, line
        else:
            traceback = traceback.tb_next
            continue
        (standard if is_standard(file) else lines).append(f'  File "{file}", line {line}, in {code.co_name}')
        traceback = traceback.tb_next
    site = inner or serving or outside
    return None if site is None else f"{site[0]}:{site[1]}", lines or standard
