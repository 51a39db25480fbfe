"""``ckptrace gpu``: the true shard of one rank on an accelerator, saved, timed, and read back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.options import CODE, JOB, OUTPUT, Json
from simulator.errors import UsageError


def gpu(
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A model by name, or its config.json.", rich_help_panel=JOB)
    ] = "qwen2.5-vl-72b",
    nodes: Annotated[int, typer.Option(metavar="N", help="Machines.", rich_help_panel=JOB)] = 4,
    ranks_per_node: Annotated[int, typer.Option(metavar="N", help="Ranks on each machine.", rich_help_panel=JOB)] = 8,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="The vision tower is not trained.", rich_help_panel=JOB)
    ] = False,
    rank: Annotated[
        int, typer.Option(metavar="N", help="Whose shard; the others are simulated.", rich_help_panel=JOB)
    ] = 0,
    strategy: Annotated[
        str, typer.Option(metavar="NAME", help="How it is saved.", rich_help_panel=CODE)
    ] = "staged-barrier",
    device: Annotated[
        str,
        typer.Option(metavar="NAME", help="cuda, cuda:1; cpu tries everything out without.", rich_help_panel=JOB),
    ] = "cuda",
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="On the disk to be measured.", rich_help_panel=OUTPUT),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.toml", help="Write the figures as costs, for compare --costs.", rich_help_panel=OUTPUT
        ),
    ] = None,
    json: Json = None,
) -> int:
    """Put one rank's true shard on a GPU, save it, time it, read it back.

    27.5 GB at 32 ranks of 72B, 13.8 GB at 64. Exit code 1 if what is read back is not what was saved, 3 without a
    device.
    """
    from simulator.campaigns.accelerator import run_on_device
    from simulator.campaigns.accelerator.bandwidth import as_toml
    from simulator.cli.output import check_file, write_json
    from simulator.reports.device import device_object, print_device
    from simulator.reports.terminal import console_for
    from simulator.scenario import Cluster, StrategyChoice, Workload
    from simulator.writing import write_whole

    for name, value in (("--nodes", nodes), ("--ranks-per-node", ranks_per_node)):
        if value < 1:
            raise UsageError(f"{name}: must be at least 1, is {value}")
    check_file(None if calibrate is None else str(calibrate))
    check_file(json)
    progress = console_for(sys.stderr)
    with progress.status("starting") as status:
        report = run_on_device(
            Workload(layout="trainer-zero3", model=model, frozen=frozen),
            Cluster(nodes, ranks_per_node),
            StrategyChoice(strategy),
            device=device,
            rank=rank,
            directory=directory,
            told=status.update if sys.stderr.isatty() else lambda said: None,
        )
    if calibrate is not None:
        write_whole(calibrate, as_toml(report.measured, report.device).encode())
    if json is not None:
        write_json(device_object(report), json)
    if json != "-":
        console = console_for()
        print_device(console, report)
        if calibrate is not None:
            console.print(f"costs   {calibrate}", soft_wrap=True)
    return 1 if report.problems else 0
