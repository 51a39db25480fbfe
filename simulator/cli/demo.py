"""``ckptrace demo``: the incident reproduced, every strategy compared, the incident at its own size."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.options import OUTPUT, Json, Seed
from simulator.errors import CannotDo

_SCHEDULES = 300
_SECONDS = 2.0
"""Of each search in the table: there are two for each strategy, and the whole demonstration takes a minute at most."""


def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the page and the traces go.", rich_help_panel=OUTPUT)
    ] = Path("ckptrace-demo"),
    seed: Seed = 0,
    json: Json = None,
) -> int:
    """Reproduce the incident, confirm it on a disk, compare every strategy."""
    from simulator.campaigns.demonstrating.demonstration import (
        REMEDY,
        STRATEGY,
        Demonstration,
        candidates,
        incident,
        searches,
        surprises,
        survey,
    )
    from simulator.campaigns.scale.at_scale import incident_at_scale, run_at_scale
    from simulator.cli.output import Outputs, check_directory, check_file, write_json, write_trace
    from simulator.interruption import finishing, leaving
    from simulator.reports import demonstration as report
    from simulator.reports.demonstration_object import demonstration_object
    from simulator.reports.html.demonstration import demonstration_page
    from simulator.reports.html.page import write
    from simulator.reports.terminal import console_for

    check_directory(out)
    check_file(json)
    started = time.perf_counter()
    console = console_for(sys.stderr if json == "-" else None)
    shown = Demonstration([], [], [], seed)

    outputs = Outputs()
    with leaving() as left:
        report.print_heading(console, "LLaMA-Factory #6882 on 2 nodes with 4 ranks each")
        for outcome in incident(seed):
            with finishing():
                shown.outcomes.append(outcome)
                report.print_outcome(console, len(shown.outcomes), outcome)
                outputs.write(write_trace, outcome.failure.trace, out)

        report.print_heading(console, "Every strategy on 2 nodes with 1 rank each")
        with console.status("searching"):
            for surveyed in survey(candidates(), schedules=_SCHEDULES, seconds=_SECONDS, seed=seed):
                shown.surveyed.append(surveyed)
    with finishing():
        for each in shown.surveyed:
            for _, tried in searches(each):
                if tried.result.failure is not None:
                    outputs.write(write_trace, tried.result.failure.trace, out)
        if shown.surveyed:
            report.print_survey(console, shown.surveyed)

    if left.by is None:
        with leaving() as left:
            report.print_heading(console, "The incident at its own size: 72B, 4 nodes with 8 ranks each")
            for name in (STRATEGY, REMEDY):
                shown.at_scale.append(run_at_scale(incident_at_scale(name)))
            report.print_at_scale(console, shown.at_scale)

    with finishing():
        shown.seconds = time.perf_counter() - started
        path = out / "report.html"
        outputs.write(write, path, demonstration_page(shown))
        console.print()
        console.print(f"page    {path}", soft_wrap=True)
        console.print(f"traces  {out}", soft_wrap=True)
        console.print(f"took    {shown.seconds:.0f} s, seed {seed}", soft_wrap=True)
        if json is not None:
            outputs.write(write_json, demonstration_object(shown, path), json)
    outputs.conclude(left.by or "shown above")
    if left.by is not None:
        raise CannotDo(f"{left.by} before everything was shown")
    differing = surprises(shown)
    if differing:
        raise CannotDo("not everything came out as expected: " + "; ".join(differing))
    return 0
