"""``ckptrace shapes``: the files of one checkpoint of a job, listed, or made on a real disk as sparse files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.options import JOB, OUTPUT, Json, pairs_of
from simulator.errors import UsageError

DISK = "On a real disk"

_BYTES_OF_FILES = 2_000
"""What the list of its files takes of a rank, at the least: a few records with their names."""


def shapes(
    layout: Annotated[
        str, typer.Option(metavar="NAME", help="Files of a checkpoint; list names them.", rich_help_panel=JOB)
    ] = "trainer-zero3",
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A model by name, or its config.json.", rich_help_panel=JOB)
    ] = "qwen2.5-vl-72b",
    nodes: Annotated[int, typer.Option(metavar="N", help="Machines.", rich_help_panel=JOB)] = 4,
    ranks_per_node: Annotated[int, typer.Option(metavar="N", help="Ranks on each machine.", rich_help_panel=JOB)] = 8,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="The vision tower is not trained.", rich_help_panel=JOB)
    ] = False,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="For the layout, as transformers=4; repeatable.", rich_help_panel=JOB),
    ] = None,
    fs: Annotated[
        str | None, typer.Option(metavar="real", help="Save one checkpoint on a real disk.", rich_help_panel=DISK)
    ] = None,
    sparse: Annotated[
        bool,
        typer.Option("--sparse", help="As files of the true sizes that take no room.", rich_help_panel=DISK),
    ] = False,
    strategy: Annotated[
        str, typer.Option(metavar="NAME", help="How the ranks' processes save.", rich_help_panel=DISK)
    ] = "staged-barrier",
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Where; by default a temporary place.", rich_help_panel=DISK),
    ] = None,
    files: Annotated[bool, typer.Option("--files", help="Name every file.", rich_help_panel=OUTPUT)] = False,
    json: Json = None,
) -> int:
    """Show the files of one checkpoint: names, writers, bytes.

    With --fs real --sparse a job of real processes saves it, and name, size and header of each file are looked at. Such
    files move no bytes, so that says nothing about time. The exit code is 1 if any is not as it should be.
    """
    from simulator import layouts
    from simulator.campaigns.scale.sparse_disk import save_sparse
    from simulator.cli.output import check_file, write_json
    from simulator.layouts.summary import counts, totals
    from simulator.reports.shapes import Shapes, print_saved, print_shapes, shapes_object
    from simulator.reports.terminal import console_for
    from simulator.scenario import Cluster, StrategyChoice, Workload, check_room

    check_file(json)
    if layout == "list":
        return _listed(json)
    for name, value in (("--nodes", nodes), ("--ranks-per-node", ranks_per_node)):
        if value < 1:
            raise UsageError(f"{name}: must be at least 1, is {value}")
    if fs not in (None, "real"):
        raise UsageError(f"--fs: must be real, is {fs!r}")
    if (fs == "real") != sparse:
        raise UsageError("--fs real and --sparse belong together: the files of a large model would fill the disk")
    cluster = Cluster(nodes, ranks_per_node)
    check_room(cluster, each=_BYTES_OF_FILES, pair=0)
    options = layouts.options_from_text(layout, pairs_of(option or [], "--option"))
    known = None if layouts.is_toy(layout) else model
    specs = layouts.layout(layout, known, frozen, options)(cluster.world_size)
    shown = Shapes(
        layout,
        cluster,
        frozen,
        {**layouts.layout_options(layout), **options},
        None if known is None else counts(layouts.model_shape(known), frozen),
        totals(specs, cluster.world_size),
        specs,
    )
    saved = None
    if sparse:
        workload = Workload(layout=layout, model=known, frozen=frozen, options=options)
        saved = save_sparse(StrategyChoice(strategy), workload, cluster, directory)
    if json is not None:
        write_json(shapes_object(shown, saved), json)
    if json != "-":
        console = console_for()
        print_shapes(console, shown, every=files)
        if saved is not None:
            print_saved(console, saved)
    return 1 if saved is not None and saved.problems else 0


def _listed(json: str | None) -> int:
    """Every layout, with what it is and its options."""
    from simulator import layouts
    from simulator.cli.output import write_json
    from simulator.reports.terminal import console_for

    known = [
        {"name": name, "summary": layouts.layout_summary(name), "options": layouts.layout_options(name)}
        for name in layouts.layout_names()
    ]
    if json is not None:
        write_json({"layouts": known, "models": layouts.model_names()}, json)
    if json != "-":
        console = console_for()
        for name in layouts.layout_names():
            console.print(f"{name:<20}{layouts.layout_summary(name)}", soft_wrap=True)
            for key, default in layouts.layout_options(name).items():
                said = str(default).lower() if isinstance(default, bool) else default
                console.print(f"{'':<20}--option {key}={said}", soft_wrap=True)
        console.print(f"models: {', '.join(layouts.model_names())}", soft_wrap=True)
    return 0
