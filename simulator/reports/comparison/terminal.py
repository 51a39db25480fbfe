"""The comparison on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulator.campaigns.comparison.outcome import Compared, Comparison
from simulator.campaigns.comparison.situations import Situation
from simulator.reports.comparison.wording import (
    answer,
    goodput_said,
    job_said,
    shape_said,
    stall_said,
    title,
    verdict_said,
    violated_in,
)

_STYLES = {"certified": "green", "clean": "green", "incomplete": "yellow", "not judged": "bright_black"}


def print_comparison(console: Console, comparison: Comparison) -> None:
    """The answer and the table of all strategies."""
    console.print(Text(title(comparison.request), style="bold"))
    console.print(job_said(comparison.request))
    console.print()
    console.print(" ".join(answer(comparison)))
    console.print()
    situations = comparison.request.judged_in()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("strategy", overflow="fold")
    for situation in situations:
        table.add_column(situation.title.lower())
    for heading in ("real shape", "stall", "goodput"):
        table.add_column(heading, justify="left" if heading == "real shape" else "right")
    for each in comparison.ranked():
        measured = each.measured
        table.add_row(
            each.candidate.title,
            *(_cell(each, situation) for situation in situations),
            Text(shape_said(measured), style="red" if measured.violations else "green"),
            stall_said(measured),
            goodput_said(measured),
        )
    console.print(table)


def _cell(each: Compared, situation: Situation) -> Text:
    violated = violated_in(each, situation)
    style = "bold red" if violated else _STYLES[each.verdict(situation.name)]
    return Text(verdict_said(each, situation), style=style)
