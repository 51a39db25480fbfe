"""Source lines of code under test: of what it does, and of the exceptions that it raises.

Exceptions are kept without the frames that they came through, but with their lines in words.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

SIMULATOR = str(Path(__file__).resolve().parent.parent) + os.sep
"""Where the files of this package lie: frames of it are no code under test."""

_STANDARD = tuple({str(Path(os.__file__).resolve().parent) + os.sep, "<frozen "})
_PACKAGES = os.sep + "site-packages" + os.sep


def is_under_test(file: str) -> bool:
    """Whether a source file belongs neither to the simulator, nor to the standard library, nor to a package."""
    return not file.startswith(SIMULATOR) and not file.startswith(_STANDARD) and _PACKAGES not in file


def without_frames(error: BaseException) -> str | None:
    """Cut the tracebacks off an exception and all that it came from; a note says where it was raised.

    Gives ``file:line`` of the innermost frame of code under test; failing that, of the innermost one outside the
    simulator; None where there is none.

    A traceback keeps the local variables of every frame alive, also of those that wait below: files that code under
    test has let go of would close late, or never.
    """
    site = _site(error.__traceback__)
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
    return site


def _site(traceback: TracebackType | None) -> str | None:
    inner, outside = None, None
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if is_under_test(file):
            inner = f"{file}:{traceback.tb_lineno}"
        elif not file.startswith(SIMULATOR):
            outside = f"{file}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return inner or outside


def _lines(traceback: TracebackType | None) -> list[str]:
    lines = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith(SIMULATOR):
            lines.append(f'  File "{code.co_filename}", line {traceback.tb_lineno}, in {code.co_name}')
        traceback = traceback.tb_next
    return lines
