"""The comparison on a terminal: a sign for each verdict, and below it what is violated, each failure once."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulator.campaigns.comparison.outcome import Compared, Comparison
from simulator.campaigns.comparison.situations import Situation
from simulator.reports.comparison.wording import (
    BOUND,
    SHAPE,
    answer,
    errors_said,
    goodput_said,
    headings_said,
    is_bound,
    job_said,
    shape_verdict,
    stall_said,
    title,
    violated_names,
)

_SIGNS = {"certified": "++", "clean": "+", "violated": "FAIL", "incomplete": "?", "not judged": "-"}
_STYLES = {"certified": "green", "clean": "green", "violated": "bold red", "incomplete": "yellow",
           "not judged": "bright_black"}  # fmt: skip
_LEGEND = "++ certified (small jobs)  + sampled  FAIL violated  ? incomplete  - not judged"


def print_comparison(console: Console, comparison: Comparison) -> None:
    """The answer, the table of all strategies, and what each violates."""
    request, ranked = comparison.request, comparison.ranked()
    console.print(Text(title(request), style="bold"))
    console.print(job_said(request))
    console.print()
    console.print(" ".join(answer(comparison)))
    if not ranked:
        return
    console.print()
    console.print(_table(ranked, request.judged_in()))
    console.print()
    console.print(Text(_LEGEND, style="bright_black"))
    if any(map(is_bound, ranked)):
        _print_paragraph(console, BOUND.replace("at most:", "<= at most:"), "", 3)
    for line in _filled(headings_said(request.judged_in()), console.width):
        console.print(Text(line, style="bright_black"))
    for each in ranked:
        if each.violated:
            _print_paragraph(console, f"{each.candidate.title}: {', '.join(violated_names(each))}", "", 4)
            for heading, error in errors_said(each, request.judged_in()):
                _print_paragraph(console, f"{heading:<5} {error}", "    ", 10)


def _print_paragraph(console: Console, text: str, before: str, indent: int) -> None:
    for line in textwrap.wrap(
        text, console.width, initial_indent=before, subsequent_indent=" " * indent, break_on_hyphens=False
    ):
        console.print(line, highlight=False)


def _filled(parts: Sequence[str], width: int) -> list[str]:
    """The parts in as few lines as they fit into, none of them broken."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += "  " + part
        else:
            lines.append(part)
    return lines


def _table(ranked: list[Compared], situations: list[Situation]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("strategy", overflow="fold")
    for heading in (*(situation.short for situation in situations), SHAPE):
        table.add_column(heading, no_wrap=True)
    for heading in ("stall", "goodput"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in ranked:
        verdicts = [each.verdict(situation.name) for situation in situations] + [shape_verdict(each.measured)]
        table.add_row(
            each.candidate.title,
            *(Text(_SIGNS[verdict], style=_STYLES[verdict]) for verdict in verdicts),
            "none" if each.measured.economy is None else stall_said(each.measured),
            goodput_said(each, "<="),
        )
    return table
