"""Progress of long work: one live line on stderr, and only where a person looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def watched(stream: TextIO, schedules: int | None, seconds: float | None) -> Iterator[Callable[[int, float], None]]:
    """A function that takes (schedules so far, seconds so far) and shows them; does nothing off a terminal.

    ``schedules`` and ``seconds`` are the limits, None where there is none.
    """
    if not stream.isatty():
        yield lambda done, spent: None
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
            rate = f"{done / spent:,.0f}/s" if spent > 0 else ""
            completed = done if seconds is None else min(spent, seconds)
            progress.update(task, completed=completed, said=f"{done:,} schedules", rate=rate)

        yield show
