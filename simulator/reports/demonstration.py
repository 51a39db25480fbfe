"""The demonstration on a terminal: the table of every strategy, and the incident at its own size."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulator.campaigns.demonstrating.demonstration import Outcome, Surveyed, Tried
from simulator.campaigns.replay.confirming import Confirmation
from simulator.campaigns.scale.at_scale import COSTS
from simulator.campaigns.scale.scale_result import ScaleResult
from simulator.reports.account import accounts, gigabytes
from simulator.reports.terminal import print_trace

_ROWS = 26
"""How many rows the lanes of an outcome have here: there are three of them."""


def print_heading(console: Console, title: str) -> None:
    """A heading over a part of the demonstration."""
    console.print()
    console.print(Text(title, style="bold"))
    console.print(Text("=" * min(len(title), console.width), style="bright_black"))


def print_outcome(console: Console, number: int, outcome: Outcome) -> None:
    """One outcome of the incident: what it is called, why it happens, its lanes, and what the disk says."""
    console.print()
    console.print(Text(f"{number}. {outcome.title}", style="bold"))
    console.print(f"schedule {outcome.failure.schedule:,}, {outcome.confirmation.text}")
    console.print()
    print_trace(console, outcome.failure.trace, most=_ROWS)


def print_survey(console: Console, surveyed: Sequence[Surveyed]) -> None:
    """The table of every strategy."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("strategy", min_width=28)
    for heading in ("nobody dies", "some may die", "confirmed on"):
        table.add_column(heading, no_wrap=True)
    for each in surveyed:
        confirmations = (each.undisturbed.confirmation, each.dying.confirmation)
        table.add_row(each.candidate.title, _cell(each.undisturbed), _cell(each.dying), on_disk(confirmations))
    console.print(table)
    console.print()
    note = "With each verdict, the schedules tried; where an invariant is named, the last of them violated it."
    for line in textwrap.wrap(note, console.width):
        console.print(Text(line, style="bright_black"))


def _cell(tried: Tried) -> Text:
    failure = tried.result.failure
    said = tried.result.verdict if failure is None else failure.invariant
    style = "bold red" if failure is not None else "green" if said == "clean" else "yellow"
    return Text.assemble((said, style), f"  {tried.result.schedules:,}")


def on_disk(confirmations: Sequence[Confirmation | None]) -> str:
    """What the disk said of a strategy's failures, in one cell."""
    said = [each for each in confirmations if each is not None]
    if not said:
        return "-"
    if all(each.outcome == "confirmed" for each in said):
        return said[0].filesystem or "a disk"
    return ", ".join(dict.fromkeys(each.outcome for each in said))


def print_at_scale(console: Console, runs: Sequence[ScaleResult]) -> None:
    """What each strategy did at the size of 72B, and the virtual seconds that each rank worked and waited."""
    for run in runs:
        console.print()
        console.print(Text(run.strategy, style="bold"))
        console.print(what_happened(run))
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("")
        for heading in ("written", "working", "waited", "longest wait"):
            table.add_column(heading, justify="right", no_wrap=True)
        for one in accounts(run.usage):
            table.add_row(one.ranks, gigabytes(one.bytes_written), f"{one.working:,.1f} s", f"{one.waited:,.1f} s",
                          f"{one.longest_wait:,.1f} s")  # fmt: skip
        console.print(table)
    console.print()
    console.print(Text(f"virtual seconds, cost profile {COSTS}", style="bright_black"))


def what_happened(run: ScaleResult) -> str:
    """The end of a run at scale in a sentence or two."""
    ranks = len(run.usage)
    total = f"The save of {ranks} ranks took {run.seconds:,.0f} s."
    raised = "; ".join(f"{count} raised {said}" for said, count in run.raised.items())
    warnings = "".join(f" {warning}." for warning in run.warnings)
    if run.violation is None:
        return f"{total} No rank raised, and {run.left}.{warnings}"
    first = f"First: {run.violation.message}. In the end {run.left}."
    return f"{total} {raised + '. ' if raised else ''}{first}{warnings}"
