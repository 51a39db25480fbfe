"""``ckptrace replay``: run a recorded failure again, on the model or on a real disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.options import OUTPUT, SEARCH, Json, TraceFile, TrustTrace
from simulator.errors import UsageError


def replay(
    trace: TraceFile,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- COMMAND]...", help="For a trace of ckptrace run: run this, in this directory."),
    ] = None,
    on: Annotated[
        str,
        typer.Option("--on", metavar="model|real", help="real: processes on a real directory.", rich_help_panel=SEARCH),
    ] = "model",
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first step that differs.", rich_help_panel=SEARCH)
    ] = False,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir", metavar="DIR", help="Where on the disk; by default a temporary directory.", rich_help_panel=SEARCH
        ),
    ] = None,
    states: Annotated[
        Path | None,
        typer.Option(
            "--states",
            metavar="DIR",
            help="Write every tree that its power loss could have left into this directory, to look at.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    trust: TrustTrace = False,
    json: Json = None,
) -> int:
    """Run a recorded failure again, on the model or on a real disk.

    A trace that was not recorded here runs code of this project, registered strategies, and nothing else without
    --trust.

    Exit code 1 when it fails again; 3 when the run leaves the recorded schedule, for example because the code under
    test has changed.
    """
    from simulator.campaigns.replay.replaying import differences, replay as run_again
    from simulator.campaigns.trust import Trust, announced
    from simulator.cli.conclusion import EXIT_CODES
    from simulator.cli.output import check_directory, check_file, say, write_json
    from simulator.reports.result_object import result_object
    from simulator.reports.terminal import console_for, print_replay
    from simulator.scenario import from_table
    from simulator.trace import load

    if on not in ("model", "real"):
        raise UsageError(f"--on: must be model or real, is {on!r}")
    if directory is not None and on == "model":
        raise UsageError("--dir: only a replay with --on real has a directory")
    recorded = load(trace)
    scenario = from_table(recorded.scenario, str(trace))
    check_file(json)
    if states is not None:
        check_directory(states)
    behind = scenario.command is not None and not scenario.command.boundary
    if command and not behind:
        raise UsageError(f"{command[0]}: {trace} is no trace of a command whose calls were held")
    trusted = Trust(everything=trust)
    for line in [*([] if command else announced(recorded, trusted)), *differences(recorded)]:
        say(f"{trace}: {line}")
    if states is not None:
        from simulator.campaigns.states import write_states

        if scenario.command is not None:
            raise UsageError("--states: of an unmodified program nobody knows what is on the disk")
        outages = write_states(recorded, states, trust=trusted)
        more = "" if outages.are_all else ", and there are more"
        say(f"{len(outages.trees):,} trees in {states}{more}")
    if behind:
        from simulator.campaigns.command.replaying import replay as run_program

        result = run_program(recorded, strict=strict, trust=trusted, words=command or ())
    else:
        result = run_again(recorded, on=on, strict=strict, directory=directory, trust=trusted)
    if json != "-":
        print_replay(console_for(), recorded, result)
    if json is not None:
        write_json(result_object(result, [trace]), json)
    if result.verdict == "clean" and (result.reason is not None or recorded.verdict is not None):
        return 3
    return EXIT_CODES[result.verdict]
