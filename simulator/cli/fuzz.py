"""``ckptrace fuzz``: run scenarios on and on, guided by which orders of conflicting operations were seen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.expansion import expanded
from simulator.cli.options import OUTPUT, SEARCH, Confirm, For, GoOn, Json, ScenarioOptions, Seed, seconds_of
from simulator.errors import UsageError


@expanded
def fuzz(
    options: ScenarioOptions,
    targets: Annotated[
        list[Path] | None,
        typer.Argument(metavar="TARGET...", help="Scenario files, and directories of them; options override each."),
    ] = None,
    schedules: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="How many at most, over all scenarios.  [default: no limit]", rich_help_panel=SEARCH
        ),
    ] = None,
    for_: For = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Processes.  [default: as many as there are cores]", rich_help_panel=SEARCH),
    ] = None,
    seed: Seed = 0,
    go_on: GoOn = True,
    corpus: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="What is kept from session to session, traces of failures included.",
            rich_help_panel=OUTPUT,
        ),
    ] = Path(".ckptrace/fuzz"),
    confirm: Confirm = True,
    json: Json = None,
) -> int:
    """Run scenarios on and on, and keep every failure that is found, until a limit or Ctrl-C.

    Goes on from the corpus of earlier sessions. The same seed gives the same schedules with one worker and without
    --for only; a failure's trace replays in any case.
    """
    from simulator.cli.fuzz_targets import targets_of
    from simulator.cli.output import Outputs, check_directory, check_file, write_json
    from simulator.interruption import finishing
    from simulator.reports.fuzz_object import fuzz_object

    for name, value in (("--schedules", schedules), ("--workers", workers)):
        if value is not None and value < 1:
            raise UsageError(f"{name}: must be at least 1, is {value}")
    wanted = targets_of(targets or [], options)
    seconds = seconds_of(for_, "--for")
    check_directory(corpus)
    check_file(json)
    from joblib import cpu_count

    from simulator.campaigns.fuzzing.interface import fuzz as run
    from simulator.cli.fuzz_view import shown
    from simulator.reports.fuzz_terminal import print_fuzzed
    from simulator.reports.terminal import console_for

    with shown(sys.stderr) as view:
        result = run(
            wanted,
            corpus,
            schedules=schedules,
            seconds=seconds,
            workers=workers or cpu_count(),
            seed=seed,
            confirm=confirm,
            go_on=go_on,
            listener=view,
        )
    outputs = Outputs()
    with finishing():
        if json != "-":
            print_fuzzed(console_for(), result)
        if json is not None:
            outputs.write(write_json, fuzz_object(result), json)
    if result.problem is not None:
        outputs.add(result.problem)
    outputs.conclude(result.verdict)
    return result.exit_code
