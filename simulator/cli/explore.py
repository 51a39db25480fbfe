"""``ckptrace explore``: sample schedules until one violates an invariant."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.expansion import expanded
from simulator.cli.options import SEARCH, Confirm, For, GoOn, Json, Out, ScenarioFile, ScenarioOptions, Seed, seconds_of
from simulator.errors import UsageError

_DEFAULT_SCHEDULES = 1000
_NO_LIMIT = 2**62


@expanded
def explore(
    options: ScenarioOptions,
    scenario: ScenarioFile = None,
    scheduler: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="mixed, random, sticky, pct:DEPTH, pos, surw, by-time.", rich_help_panel=SEARCH
        ),
    ] = "mixed",
    schedules: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="How many at most.  [default: 1000, or no limit with --for]", rich_help_panel=SEARCH
        ),
    ] = None,
    for_: For = None,
    seed: Seed = 0,
    go_on: GoOn = False,
    out: Out = Path("ckptrace-out"),
    confirm: Confirm = True,
    json: Json = None,
) -> int:
    """Sample schedules until one violates an invariant.

    The failing schedule is minimised, explained, printed as one lane per rank, and written as a trace.
    """
    from simulator.campaigns.interface import explore as search
    from simulator.cli.conclusion import conclude, searched
    from simulator.cli.output import check_directory, check_file
    from simulator.cli.progress import watched
    from simulator.cli.scenarios import scenario_of

    wanted = scenario_of(scenario, options)
    seconds = seconds_of(for_, "--for")
    most = schedules if schedules is not None else _DEFAULT_SCHEDULES if seconds is None else _NO_LIMIT
    if most < 1:
        raise UsageError(f"--schedules: must be at least 1, is {most}")
    check_directory(out)
    check_file(json)
    with watched(sys.stderr, None if most == _NO_LIMIT else most, seconds) as progress:
        found = partial(search, wanted, scheduler=scheduler, schedules=most, seed=seed, seconds=seconds, go_on=go_on)
        result = searched(wanted, partial(found, progress=progress))
    return conclude(result, out, json, confirm=confirm)
