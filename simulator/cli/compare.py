"""``ckptrace compare``: every way to save, judged and measured for one job."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.cli.options import CODE, FAULTS, JOB, OUTPUT, SEARCH, Confirm, Json, Out, Seed, pairs_of, seconds_of
from simulator.errors import UsageError

if TYPE_CHECKING:
    from simulator.campaigns.comparison import Compared, Request
    from simulator.campaigns.demonstrating.demonstration import Candidate
    from simulator.cli.output import Outputs
    from simulator.scenario import CostChoice

_CANNOT_DO = 3
_SAVES = 3
"""How often the job saves: the first time into an empty place, then with a rotation, then once more to look at."""


def compare(
    strategy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="By name or path/to/file.py:Class; repeatable.  [default: all]", rich_help_panel=CODE
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A model by name, or its config.json.", rich_help_panel=JOB)
    ] = "qwen2.5-vl-72b",
    nodes: Annotated[int, typer.Option(metavar="N", help="Machines.", rich_help_panel=JOB)] = 8,
    ranks_per_node: Annotated[int, typer.Option(metavar="N", help="Ranks on each machine.", rich_help_panel=JOB)] = 8,
    layout: Annotated[
        str, typer.Option(metavar="NAME", help="Files of a checkpoint (see ckptrace shapes).", rich_help_panel=JOB)
    ] = "trainer-zero3",
    layout_option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="For the layout, as transformers=4; repeatable.", rich_help_panel=JOB),
    ] = None,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="The vision tower is not trained.", rich_help_panel=JOB)
    ] = False,
    keep: Annotated[int, typer.Option(metavar="N", help="Checkpoints to keep.", rich_help_panel=JOB)] = 1,
    fs: Annotated[str, typer.Option(metavar="PROFILE", help="File system.", rich_help_panel=JOB)] = "shared",
    costs: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE.toml",
            help="What operations cost: a profile, or a file with [costs].  [default: that of the file system]",
            rich_help_panel=JOB,
        ),
    ] = None,
    cost: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="One figure of the cost profile; repeatable.", rich_help_panel=JOB),
    ] = None,
    mtbf: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="The job's mean time between failures, as 12h.", rich_help_panel=FAULTS),
    ] = None,
    failure_rate: Annotated[
        float, typer.Option(metavar="X", help="Else: failures per 1,000 node-days.", rich_help_panel=FAULTS)
    ] = 6.5,
    relaunch: Annotated[
        str, typer.Option(metavar="TIME", help="A restart before it looks for a checkpoint.", rich_help_panel=FAULTS)
    ] = "10m",
    situation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="undisturbed, job-death, rank-kill, power-loss, full-disk; repeatable.  [default: all]",
            rich_help_panel=FAULTS,
        ),
    ] = None,
    schedules: Annotated[
        int, typer.Option(metavar="N", help="Sampled at small scale, for each search.", rich_help_panel=SEARCH)
    ] = 500,
    schedules_at_scale: Annotated[
        int, typer.Option(metavar="N", help="Sampled at the job's own size.", rich_help_panel=SEARCH)
    ] = 4,
    for_: Annotated[
        str, typer.Option("--for", metavar="TIME", help="At most, for each search.", rich_help_panel=SEARCH)
    ] = "4s",
    seed: Seed = 0,
    out: Out = Path("ckptrace-out"),
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write one self-contained page.", rich_help_panel=OUTPUT),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", metavar="FILE", help="Write it for a pull request.", rich_help_panel=OUTPUT),
    ] = None,
    confirm: Confirm = True,
    json: Json = None,
) -> int:
    """Compare strategies for one job: what each survives, what it costs.

    Verdicts come from small jobs that are searched exhaustively where that ends, figures from the job's own size.
    The exit code is 1 where any strategy violates anything, as it is with the strategies that are known to be racy.
    """
    from simulator import layouts
    from simulator.campaigns.comparison import Comparison, Request, compare as compare_all
    from simulator.campaigns.comparison.situations import ALL_SITUATIONS
    from simulator.campaigns.demonstrating.demonstration import candidates
    from simulator.cli.output import Outputs, check_directory, check_file, write_json
    from simulator.costs.intervals import job_mtbf
    from simulator.interruption import finishing, leaving
    from simulator.reports.comparison.markdown import comparison_markdown
    from simulator.reports.comparison.page import comparison_page
    from simulator.reports.comparison.plain import comparison_object
    from simulator.reports.comparison.terminal import print_comparison
    from simulator.reports.html.page import write
    from simulator.reports.terminal import console_for
    from simulator.scenario import Cluster, FilesystemChoice, Workload

    for name, value in (("--schedules", schedules), ("--schedules-at-scale", schedules_at_scale)):
        if value < 1:
            raise UsageError(f"{name}: must be at least 1, is {value}")
    if not failure_rate > 0:
        raise UsageError(f"--failure-rate: must be above 0, is {failure_rate}")
    check_directory(out)
    for file in (None if html is None else str(html), None if markdown is None else str(markdown), json):
        check_file(file)
    between = seconds_of(mtbf, "--mtbf")
    request = Request(
        cluster=Cluster(nodes, ranks_per_node),
        workload=Workload(
            layout=layout,
            form="size",
            model=None if layouts.is_toy(layout) else model,
            steps=_SAVES,
            keep=keep,
            frozen=frozen,
            step_seconds=0.0,
            options=layouts.options_from_text(layout, pairs_of(layout_option or [], "--layout-option")),
        ),
        filesystem=FilesystemChoice(fs),
        costs=_costs(costs, fs, pairs_of(cost or [], "--cost")),
        mtbf=job_mtbf(max(1, nodes), failure_rate) if between is None else between,
        relaunch=seconds_of(relaunch, "--relaunch") or 0.0,
        seconds=seconds_of(for_, "--for") or 0.0,
        schedules=schedules,
        at_scale=schedules_at_scale,
        seed=seed,
        confirm=confirm,
        situations=tuple(situation) if situation else ALL_SITUATIONS,
    )
    chosen = candidates() if strategy is None else [_candidate(name) for name in strategy]
    started = time.perf_counter()
    comparison = Comparison(request, [])
    with leaving() as left:
        for each in _followed(chosen, request, compare_all):
            comparison.compared.append(each)
    comparison.seconds = time.perf_counter() - started
    if left.by is not None:
        comparison.interrupted = f"{left.by}: {len(comparison.compared)} of {len(chosen)} strategies were compared"
    outputs = Outputs()
    violated = any(each.violated for each in comparison.compared)
    with finishing():
        _keep_traces(comparison.compared, out, outputs)
        if html is not None and comparison.compared:
            outputs.write(write, html, comparison_page(comparison, shlex.join(["ckptrace", *sys.argv[1:]])))
        if markdown is not None and comparison.compared:
            outputs.write(write, markdown, comparison_markdown(comparison))
        if json is not None:
            outputs.write(write_json, comparison_object(comparison), json)
        if json != "-":
            console = console_for()
            print_comparison(console, comparison)
            console.print()
            for label, path in (("page", html), ("report", markdown)):
                if path is not None:
                    console.print(f"{label:<8}{path}", soft_wrap=True)
            if any(each.findings for each in comparison.compared):
                console.print(f"traces  {out}", soft_wrap=True)
            console.print(f"took    {comparison.seconds:.0f} s, seed {seed}", soft_wrap=True)
    outputs.conclude("violated" if violated else "nothing violated")
    if violated:
        return 1
    return 0 if comparison.interrupted is None else _CANNOT_DO


def _candidate(name: str) -> Candidate:
    from simulator.campaigns.demonstrating.demonstration import Candidate

    return Candidate(name)


def _costs(choice: str | None, filesystem: str, overrides: dict[str, Any]) -> CostChoice:
    """The cost profile with single figures replaced: that of a file, one by name, or that of the file system."""
    from simulator.costs.model import profile_for
    from simulator.scenario import CostChoice, load

    figures: dict[str, float] = {}
    for key, value in overrides.items():
        try:
            figures[key] = float(value)
        except ValueError as error:
            raise UsageError(f"--cost: {key} must be a number, is {value!r}") from error
    if choice is not None and choice.endswith(".toml"):
        read = load(Path(choice)).costs
        if read.profile is None:
            raise UsageError(f"{choice}: it has no costs.profile")
        return CostChoice(read.profile, {**read.overrides, **figures})
    return CostChoice(choice or profile_for(filesystem), figures)


def _followed(chosen: list[Candidate], request: Request, compare_all: Any) -> Iterator[Compared]:
    """Compare them, and say how far that has come: live on a terminal, now and then in a log."""
    from simulator.cli.progress import EVERY
    from simulator.reports.terminal import console_for

    if not sys.stderr.isatty():
        said = time.perf_counter()
        for number, each in enumerate(compare_all(chosen, request), 1):
            if time.perf_counter() - said > EVERY:
                said = time.perf_counter()
                print(f"running    {number} of {len(chosen)} strategies compared", file=sys.stderr, flush=True)
            yield each
        return
    console = console_for(sys.stderr)
    with console.status("starting") as status:
        work = compare_all(chosen, request)
        for number, candidate in enumerate(chosen):
            status.update(f"{number} of {len(chosen)} strategies compared, {candidate.title} is next")
            yield next(work)


def _keep_traces(compared: list[Compared], out: Path, outputs: Outputs) -> None:
    from simulator.cli.output import write_trace

    for each in compared:
        for finding in each.findings:
            path = outputs.write(write_trace, finding.failure.trace, out)
            finding.path = None if path is None else str(path)
