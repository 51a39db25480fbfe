"""``ckptrace certify``: every class of interleavings, or the first violation."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.expansion import expanded
from simulator.cli.options import SEARCH, Confirm, For, Json, Out, ScenarioFile, ScenarioOptions, seconds_of


@expanded
def certify(
    options: ScenarioOptions,
    scenario: ScenarioFile = None,
    preemptions: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Interrupt ranks that could go on at most K times a schedule.  [default: no bound]",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    max_classes: Annotated[
        int | None, typer.Option(metavar="N", help="Stop after N classes.", rich_help_panel=SEARCH)
    ] = None,
    for_: For = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where an early stop keeps how far it came; if the file exists, the search goes on from there.",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(metavar="N", help="Processes that search side by side.", rich_help_panel=SEARCH)
    ] = 1,
    out: Out = Path("ckptrace-out"),
    confirm: Confirm = True,
    json: Json = None,
) -> int:
    """Explore every class of interleavings, crash points included.

    Prints a certificate, or the first violation, minimised and explained. A search that stops early certifies nothing
    and ends with exit code 3.
    """
    from simulator.campaigns.searching.certifying import certify as search
    from simulator.cli.conclusion import conclude, searched
    from simulator.cli.output import check_directory, check_file, say
    from simulator.cli.progress import searching
    from simulator.cli.scenarios import scenario_of

    wanted = scenario_of(scenario, options)
    seconds = seconds_of(for_, "--for")
    check_directory(out)
    check_file(json)
    check_file(None if checkpoint is None else str(checkpoint))
    with searching(sys.stderr) as progress:
        found = partial(
            search,
            wanted,
            preemptions=preemptions,
            max_classes=max_classes,
            seconds=seconds,
            checkpoint=checkpoint,
            workers=workers,
            progress=progress,
        )
        result = searched(wanted, found)
    code = conclude(result, out, json, confirm=confirm)
    if result.verdict == "incomplete" and checkpoint is not None and checkpoint.exists():
        say(f"{checkpoint} keeps how far it came: the same command goes on from there")
    return code
