"""What is shown while fuzzing goes on: a live view for a person, lines of text for a log."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from simulator.campaigns.fuzzing.campaign import Campaign
from simulator.campaigns.fuzzing.standing import KnownFailure, Standing
from simulator.cli.progress import EVERY
from simulator.reports.setting import per_second

_ROWS = 12
"""So many scenarios are shown at most."""
_REFRESHES = 4


@contextmanager
def shown(stream: TextIO) -> Iterator[View]:
    """A listener that writes to a stream, and looks after its part of the screen."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
    if not stream.isatty():
        yield View(console, live=False)
        return
    view = View(console, live=True)
    with Live(get_renderable=view.rendered, console=console, refresh_per_second=_REFRESHES, transient=True):
        yield view


class View:
    """Implements ``campaign.Listener``. Each failure is a line of its own, above what is live."""

    def __init__(self, console: Console, *, live: bool) -> None:
        self._console = console
        self._live = live
        self._campaign: Campaign | None = None
        self._said = time.perf_counter()

    def begun(self, campaign: Campaign) -> None:
        """Say what is fuzzed, and when it will end."""
        self._campaign = campaign
        standings = campaign.standings
        what = standings[0].name if len(standings) == 1 else f"{len(standings)} scenarios"
        tapes = sum(standing.tapes for standing in standings)
        known = sum(len(standing.failures) for standing in standings)
        kept = f", from {_counted(tapes, 'tape')} and {_counted(known, 'failure')} of the corpus" if tapes else ""
        limits = campaign.limits
        ends = "Ctrl-C ends it"
        if limits.seconds is not None:
            ends = f"for {limits.seconds:g} s; {ends}"
        if limits.schedules is not None:
            ends = f"{limits.schedules:,} schedules; {ends}"
        self._print(f"fuzzing    {what}{kept}, {_counted(campaign.workers, 'worker')}, {ends}")

    def found(self, standing: Standing, failure: KnownFailure) -> None:
        """Say that there is a failure, new or again."""
        found = failure.found
        again = "again" if failure.known else f"schedule {found.schedule:,}, {found.arm}"
        self._print(f"found      {standing.name}: {found.broken.invariant}: {found.broken.message} ({again})")

    def finished(self, standing: Standing, failure: KnownFailure, problem: str | None) -> None:
        """Say where the trace of a failure is."""
        if problem is not None:
            self._print(f"given up   {standing.name}: {problem}")
            return
        disk = f"{failure.found.disk}; " if failure.found.disk else ""
        self._print(f"minimised  {standing.name}: {disk}ckptrace replay {shlex.quote(str(failure.trace))}")

    def progressed(self) -> None:
        """Now and then, a line for a log."""
        now = time.perf_counter()
        if not self._live and now - self._said >= EVERY:
            self._said = now
            self._print(f"running    {self._figures()}")

    def rendered(self) -> Any:
        """What is live."""
        if self._campaign is None:
            return Text("")
        table = Table(box=None, pad_edge=False)
        table.add_column("scenario")
        for name in ("schedules", "pairs", "tapes", "failures"):
            table.add_column(name, justify="right")
        standings = sorted(self._campaign.standings, key=lambda each: -len(each.standing_failures))
        for each in standings[:_ROWS]:
            figures = (each.schedules, len(each.guide.covered), each.tapes, len(each.standing_failures))
            table.add_row(each.name, *(f"{figure:,}" for figure in figures))
        left_out = len(standings) - _ROWS
        return Group(table, Text(f"... and {left_out:,} more" if left_out > 0 else ""), Text(self._figures()))

    def _figures(self) -> str:
        campaign = self._campaign
        assert campaign is not None, "nothing has begun"
        spent, schedules = campaign.limits.spent, campaign.schedules
        pairs = sum(len(standing.guide.covered) for standing in campaign.standings)
        failures = sum(len(standing.standing_failures) for standing in campaign.standings)
        rate = f"{per_second(schedules, spent)}, " if spent > 0 else ""
        left = campaign.limits.left
        ends = "" if left is None else f", {_time(left)} left"
        if campaign.limits.interrupted:
            ends = ", ending: what is under way is waited for"
        return (
            f"{_time(spent)}, {_counted(schedules, 'schedule')}, {rate}"
            f"{pairs:,} ordered pairs of conflicting operations, "
            f"{_counted(failures, 'failure')}{ends}"
        )

    def _print(self, text: str) -> None:
        self._console.print(text)
        self._console.file.flush()


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
