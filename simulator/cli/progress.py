"""Progress of long work on stderr: one live line where a person looks at it, now and then a line in a log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Final, TextIO

from simulator.reports.setting import counted, per_second

EVERY: Final = 10.0
"""Seconds between two lines of a log that say how it goes."""


@contextmanager
def watched(stream: TextIO, schedules: int | None, seconds: float | None) -> Iterator[Callable[[int, float], None]]:
    """A function that takes (schedules so far, seconds so far) and shows them.

    ``schedules`` and ``seconds`` are the limits, None where there is none.
    """
    if not stream.isatty():
        with _logged(stream) as note:
            yield lambda done, spent: note(done, counted(done, "schedule"))
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.completed:,.0f} schedules" if seconds is None else "{task.fields[said]}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        task = progress.add_task("", total=schedules if seconds is None else seconds, said="", rate="")

        def show(done: int, spent: float) -> None:
            rate = per_second(done, spent) if spent > 0 else ""
            completed = done if seconds is None else min(spent, seconds)
            progress.update(task, completed=completed, said=f"{done:,} schedules", rate=rate)

        yield show


@contextmanager
def searching(stream: TextIO) -> Iterator[Callable[[int, float, float], None]]:
    """A function that takes (classes so far, part done, seconds so far) and shows them.

    The part that is done is an estimate, and so is the time that is left.
    """
    if not stream.isatty():
        with _logged(stream) as note:
            yield lambda classes, part, spent: note(classes, f"{counted(classes, 'class')}, {_left(part, spent)}")
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.fields[said]}"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[left]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        task = progress.add_task("", total=1.0, said="", left="")

        def show(classes: int, part: float, spent: float) -> None:
            rate = f", {per_second(classes, spent, 'class')}" if spent > 0 else ""
            progress.update(task, completed=part, said=f"{classes:,} classes{rate}", left=_left(part, spent))

        yield show


@contextmanager
def _logged(stream: TextIO) -> Iterator[Callable[[int, str], None]]:
    """A function that takes what is done, as a number and in words, which a thread of its own writes now and then.

    So that something is said also while code under test computes and does not come back.
    """
    done, said, since = 0, "nothing yet", monotonic()
    over = threading.Event()
    begun = monotonic()

    def note(number: int, words: str) -> None:
        nonlocal done, said, since
        if number != done:
            since = monotonic()
        done, said = number, words

    def write() -> None:
        while not over.wait(EVERY):
            now = monotonic()
            waiting = f"; {now - since:.0f} s since the last one" if now - since > EVERY else ""
            with suppress(OSError, ValueError):
                stream.write(f"running    {now - begun:.0f} s: {said}{waiting}\n")
                stream.flush()

    thread = threading.Thread(target=write, daemon=True)
    with suppress(RuntimeError):  # No more threads may be started: then nothing is said.
        thread.start()
    try:
        yield note
    finally:
        over.set()


def _left(part: float, spent: float) -> str:
    """What a search that has done a part of it may still need, in words; nothing where that would be a bare guess."""
    if spent < 2 or part < 1e-4:
        return "about 0%" if part < 1e-4 else f"about {part:.0%}"
    left = spent * (1 - part) / part
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if left >= 2 * seconds:
            return f"about {part:.0%}, {left / seconds:,.0f} {unit} left"
    return f"about {part:.0%}, {left:.0f} s left"
