"""Exceptions of code under test: kept without the frames that they came through, but with their lines in words."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

SIMULATOR = str(Path(__file__).resolve().parent.parent) + os.sep
"""Where the files of this package lie: frames of it are no code under test."""


def without_frames(error: BaseException) -> None:
    """Cut the tracebacks off an exception and all that it came from; a note says where it was raised.

    A traceback keeps the local variables of every frame alive, also of those that wait below: files that code under
    test has let go of would close late, or never.
    """
    lines = _lines(error.__traceback__)
    if lines:
        error.add_note("raised at\n" + "\n".join(lines))
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


def _lines(traceback: TracebackType | None) -> list[str]:
    lines = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(SIMULATOR):
            lines.append(f'  File "{code.co_filename}", line {traceback.tb_lineno}, in {code.co_name}')
        traceback = traceback.tb_next
    return lines
