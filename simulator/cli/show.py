"""``ckptrace show``: a recorded run on the terminal, or as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.options import OUTPUT, Json, TraceFile, TrustTrace
from simulator.errors import UsageError


def show(
    trace: TraceFile,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write one self-contained page.", rich_help_panel=OUTPUT),
    ] = None,
    perfetto: Annotated[
        Path | None,
        typer.Option("--perfetto", metavar="FILE", help="Write a file for ui.perfetto.dev.", rich_help_panel=OUTPUT),
    ] = None,
    shiviz: Annotated[
        Path | None,
        typer.Option(
            "--shiviz", metavar="FILE", help="Write a log with vector clocks for ShiViz.", rich_help_panel=OUTPUT
        ),
    ] = None,
    rerun: Annotated[
        bool,
        typer.Option(
            "--rerun",
            help="For those viewers, run the recording again for what it does not hold: conflicts and times.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    trust: TrustTrace = False,
    all_: Annotated[bool, typer.Option("--all", help="Leave no operation out.", rich_help_panel=OUTPUT)] = False,
    json: Json = None,
) -> int:
    """Show a recorded run: verdict, reason, one lane per rank; or as a page, or for another viewer.

    Nothing is run, so conflicts and times are not in the file for Perfetto, nor is there one for ShiViz, but with
    --rerun; a recording of ckptrace run is enough by itself.
    """
    from simulator.campaigns.trust import Trust
    from simulator.cli.exports import export
    from simulator.cli.output import check_file, write_json
    from simulator.reports.html.failure import failure_page
    from simulator.reports.html.lanes import MOST_ROWS as MOST_OF_A_PAGE
    from simulator.reports.html.page import write
    from simulator.reports.terminal import MOST_ROWS, console_for, print_trace
    from simulator.reports.trace_object import trace_object
    from simulator.scenario import from_table
    from simulator.trace import load

    if rerun and perfetto is None and shiviz is None:
        raise UsageError("--rerun: only --perfetto and --shiviz need what it gives")
    recorded = load(trace)
    from_table(recorded.scenario, str(trace))
    for file in (html, perfetto, shiviz):
        check_file(None if file is None else str(file))
    check_file(json)
    if html is not None:
        write(html, failure_page(recorded, trace, most=None if all_ else MOST_OF_A_PAGE))
    written = [("page", html), *export(recorded, perfetto, shiviz, rerun=rerun, trust=Trust(everything=trust))]
    if json is not None:
        write_json(trace_object(recorded, trace), json)
    if json != "-":
        console = console_for()
        files = [(what, file) for what, file in written if file is not None]
        if not files:
            print_trace(console, recorded, most=2**62 if all_ else MOST_ROWS)
        for what, file in files:
            console.print(f"{what:<9}{file}", soft_wrap=True)
    return 0
