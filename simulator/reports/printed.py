"""What the ranks of a failing run printed, as far as a report shows it: the end, of the rank that matters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from simulator.trace import Trace

_MOST_RANKS = 3
_LINES_OF_ONE, _LINES_EACH = 8, 3


def printed_by(trace: Trace) -> dict[int, list[str]]:
    """The last lines of the rank that the verdict names; where it printed nothing, those of the first ranks that did.

    Only of the last attempt: what happened in it is what the verdict is about. Control characters are spelled out.
    """
    if not trace.attempts:
        return {}
    output, verdict = trace.attempts[-1].output, trace.verdict
    lines = {rank: found for rank, text in sorted(output.items()) if (found := _lines(text))}
    if verdict is not None and verdict.rank in lines:
        return {verdict.rank: lines[verdict.rank][-_LINES_OF_ONE:]}
    return {rank: lines[rank][-_LINES_EACH:] for rank in list(lines)[:_MOST_RANKS]}


def output_of(trace: Trace) -> dict[str, str]:
    """What each rank printed in the last attempt, as far as it was kept, by the rank's number as text."""
    return {str(rank): text for rank, text in sorted(trace.attempts[-1].output.items())} if trace.attempts else {}


def _lines(text: str) -> list[str]:
    """The lines that a terminal would show in the end: a progress bar's carriage returns leave the last state."""
    shown = [line.rstrip("\r").rpartition("\r")[2].rstrip() for line in text.split("\n")]
    return [_plain(line) for line in _folded(shown) if line]


_FRAME = re.compile(r'(?P<indent>\s*)File "(?P<file>[^"]+)", line \d+, in ')
_STANDARD = re.compile(r"<frozen |.*/lib(?:64)?/python3[^/]*/(?!.*(?:site|dist)-packages/)")


def _folded(lines: Iterable[str]) -> Iterator[str]:
    """The lines without the frames of Python's own library: a failing rmtree has ten, and says all in the caller's."""
    left_out: str | None = None
    for line in lines:
        frame = _FRAME.match(line)
        if frame is not None:
            left_out = frame["indent"] if _STANDARD.match(frame["file"]) else None
        elif left_out is not None and not line.startswith(left_out + "  "):
            left_out = None
        if left_out is None:
            yield line


def _plain(line: str) -> str:
    line = line.expandtabs()
    return line if line.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
