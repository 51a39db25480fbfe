"""Standard output that cannot be written to: closed, full, or a pipe that nobody reads any more."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, Final

_NUMBERS: Final = {"stdout": 1, "stderr": 2}


class _Noting(io.FileIO):
    """Standard output. Once it has refused something, whatever else is written to it goes nowhere, without a word."""

    refused: OSError | None = None

    def write(self, data: Any, /) -> int:
        if self.refused is None:
            try:
                return super().write(data)
            except OSError as error:
                self.refused = error
                raise
        return memoryview(data).nbytes


def prepare() -> None:
    """Take note of what standard output refuses. Where there is none, let what is printed go nowhere."""
    for name, number in _NUMBERS.items():
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_WRONLY)
            if null != number:
                # Files that are opened later must not come to lie on these numbers.
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    known = sys.stdout
    if known is sys.__stdout__ and isinstance(known, io.TextIOWrapper):
        known.flush()
        raw = io.BufferedWriter(_Noting(known.fileno(), "wb", closefd=False))
        sys.stdout = io.TextIOWrapper(
            raw, encoding=known.encoding, errors=known.errors, line_buffering=known.line_buffering
        )


def refusal() -> OSError | None:
    """Why something that was printed could not be written, if so."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.refused if isinstance(raw, _Noting) else None
