"""``ckptrace run``: an unmodified program, its system calls held and let go one at a time."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.cli.options import CODE, ERROR_RULE, FAULTS, JOB, OUTPUT, SEARCH, For, GoOn, Json, Out, Seed, seconds_of
from simulator.errors import UsageError

if TYPE_CHECKING:
    from simulator.campaigns.command.experiment import CommandExperiment
    from simulator.campaigns.command.steering import Steering
    from simulator.campaigns.result import Result
    from simulator.run import Run

_DEFAULT_SCHEDULES = 20
_DEFAULT_STEERED = 200
_NO_LIMIT = 2**62
_SILENCE = 60.0
_WALL = 600.0
_CANNOT_DO = 3
_JUDGED = ("no-error", "no-hang", "keep", "no-leak")


def run(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND ...", help="The program of each rank, behind two dashes.")
    ] = None,
    watch: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The directory that the program saves to; empty, since each schedule begins with an empty one.",
            rich_help_panel=CODE,
        ),
    ] = None,
    arm: Annotated[
        str,
        typer.Option(
            metavar="late|start",
            help="Hold calls from the first one about DIR or the first meeting of the ranks on, or from the start.",
            rich_help_panel=CODE,
        ),
    ] = "late",
    cold: Annotated[
        bool,
        typer.Option("--cold", help="Start every rank anew instead of forking it, imports done.", rich_help_panel=CODE),
    ] = False,
    nodes: Annotated[int, typer.Option(metavar="N", help="Machines.", rich_help_panel=JOB)] = 2,
    ranks_per_node: Annotated[int, typer.Option(metavar="N", help="Ranks on each.", rich_help_panel=JOB)] = 1,
    kills: Annotated[int, typer.Option(metavar="N", help="Ranks that may be killed.", rich_help_panel=FAULTS)] = 0,
    node_kills: Annotated[int, typer.Option(metavar="N", help="Nodes that may die.", rich_help_panel=FAULTS)] = 0,
    restarts: Annotated[
        int,
        typer.Option(metavar="N", help="Further attempts of the job, each on what is left.", rich_help_panel=FAULTS),
    ] = 0,
    node_hangs: Annotated[
        int, typer.Option(metavar="N", help="Nodes that may stop and not die.", rich_help_panel=FAULTS)
    ] = 0,
    error: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help=f"Calls {ERROR_RULE}",
            rich_help_panel=FAULTS,
        ),
    ] = None,
    slow_ranks: Annotated[
        int,
        typer.Option(metavar="N", help="Ranks that make one call while the others make ten.", rich_help_panel=FAULTS),
    ] = 0,
    stale: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Lookups that a node may answer from its cache: ENOENT for what it has missed and another node made, "
            "ESTALE for what another one removed.",
            rich_help_panel=FAULTS,
        ),
    ] = 0,
    invariants: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME", help="Judge only these: no-error, no-hang, keep, no-leak.", rich_help_panel=FAULTS
        ),
    ] = None,
    scheduler: Annotated[
        str,
        typer.Option(metavar="NAME", help="mixed, random, sticky, pct:DEPTH, pos, surw.", rich_help_panel=SEARCH),
    ] = "mixed",
    schedules: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="How many at most.  [default: 20, or no limit with --for]", rich_help_panel=SEARCH
        ),
    ] = None,
    for_: For = None,
    seed: Seed = 0,
    go_on: GoOn = True,
    silence: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="How long a rank may make no call at all, of the time for which it computes or sleeps.",
            rich_help_panel=SEARCH,
        ),
    ] = "60s",
    wall: Annotated[
        str, typer.Option(metavar="TIME", help="How long one attempt of the job may take.", rich_help_panel=SEARCH)
    ] = "10m",
    dry: Annotated[
        bool, typer.Option("--dry", help="Run it once, undisturbed, and say what was held.", rich_help_panel=OUTPUT)
    ] = False,
    confirm_races: Annotated[
        bool,
        typer.Option(
            "--confirm-races",
            help="Record one run, then try each race of it, and of the runs this leads to, the other way round.",
            rich_help_panel=SEARCH,
        ),
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Run it once, undisturbed, and keep the trace of that.", rich_help_panel=OUTPUT
        ),
    ] = None,
    out: Out = Path("ckptrace-out"),
    json: Json = None,
) -> int:
    """Run an unmodified program under many schedules of its system calls, until one violates an invariant.

    The ranks get torchrun's environment. Every call about DIR is held and let go when the schedule says so.
    """
    from simulator.campaigns.command.experiment import CommandExperiment
    from simulator.campaigns.command.fallback import choice_behind
    from simulator.campaigns.command.search import search
    from simulator.cli.conclusion import conclude, searched
    from simulator.cli.error_rules import error_rule
    from simulator.cli.output import check_directory, check_file
    from simulator.cli.progress import watched
    from simulator.faults import Faults
    from simulator.interposition.filter import why_not
    from simulator.scenario import Cluster, CommandChoice, Scenario

    if watch is None:
        raise UsageError("--watch: which directory does the program save to?")
    scenario = Scenario(
        cluster=Cluster(nodes, ranks_per_node),
        command=CommandChoice(
            tuple(command or ()),
            str(watch),
            arm=arm,
            warm=not cold,
            silence=seconds_of(silence, "--silence") or _SILENCE,
            wall=seconds_of(wall, "--wall") or _WALL,
        ),
        invariants=_judged(invariants),
        faults=Faults(
            kills=kills,
            node_kills=node_kills,
            node_hangs=node_hangs,
            errors=tuple(error_rule(text) for text in error or ()),
            slow_ranks=slow_ranks,
            stale_answers=stale,
        ),
        restarts=restarts,
    )
    scenario.validate()
    seconds = seconds_of(for_, "--for")
    usual = _DEFAULT_STEERED if confirm_races else _DEFAULT_SCHEDULES
    most = schedules if schedules is not None else usual if seconds is None else _NO_LIMIT
    if most < 1:
        raise UsageError(f"--schedules: must be at least 1, is {most}")
    if confirm_races and (scenario.faults or restarts):
        raise UsageError("--confirm-races: races are tried without faults and restarts")
    check_directory(out)
    check_file(json)
    check_file(None if record is None else str(record))
    reason = why_not()
    behind = None if reason is None or scenario.command is None else choice_behind(scenario.command)
    if reason is not None and behind is not None:
        from simulator.cli.run_behind import run_behind

        needing = {
            "--record": record is not None,
            "--confirm-races": confirm_races,
            "--dry": dry,
            "--cold": cold,
            "--arm": arm != "late",
            "--silence": seconds_of(silence, "--silence") != _SILENCE,
            "--wall": seconds_of(wall, "--wall") != _WALL,
            "--stale": stale,
            "--slow-ranks": slow_ranks,
        }
        return run_behind(
            scenario,
            behind,
            reason,
            [option for option, given in needing.items() if given],
            scheduler=scheduler,
            schedules=most,
            limited=most != _NO_LIMIT,
            seconds=seconds,
            seed=seed,
            go_on=go_on,
            out=out,
            json=json,
        )
    with CommandExperiment(scenario) as experiment:
        if dry:
            return _show_what_is_held(experiment, seconds)
        if record is not None:
            return _record(experiment, record, seconds)
        with watched(sys.stderr, None if most == _NO_LIMIT else most, seconds) as progress:
            if confirm_races:
                from simulator.campaigns.command.steering import confirm_races as steer

                found: list[Steering] = []

                def steered() -> Result:
                    found.append(steer(experiment, schedules=most, seconds=seconds, progress=progress))
                    return found[0].result

                result = searched(scenario, steered)
            else:
                found = []
                sampled = partial(
                    search, experiment, scheduler=scheduler, schedules=most, seed=seed, seconds=seconds, go_on=go_on
                )
                result = searched(scenario, partial(sampled, progress=progress))
    if found:
        return _conclude_races(found[0], out, json)
    return conclude(result, out, json, confirm=False)


def _conclude_races(steering: Steering, out: Path, json: str | None) -> int:
    """Every race with what became of it, then the conclusion as of any search."""
    from simulator.cli.conclusion import conclude
    from simulator.cli.races import lines_of, table_of
    from simulator.reports.terminal import console_for

    if json != "-":
        console = console_for()
        for each in steering.races:
            for line in lines_of(each.race, each):
                console.print(line, soft_wrap=True, highlight=False, markup=False)
    tables = [table_of(each.race, each) for each in steering.races]
    return conclude(steering.result, out, json, confirm=False, more={"races": tables})


def _record(experiment: CommandExperiment, file: Path, seconds: float | None) -> int:
    """One undisturbed run, and its trace in a file."""
    from simulator.campaigns.command.record import trace_of
    from simulator.reports.terminal import console_for
    from simulator.trace import save

    run = _undisturbed(experiment, seconds)
    code = _tell(experiment, run)
    save(trace_of(experiment, run), file)
    console_for().print(f"{run.operations:,} operations; trace   {file}", soft_wrap=True)
    return code


def _undisturbed(experiment: CommandExperiment, seconds: float | None) -> Run:
    import time

    from simulator.schedulers.replay import TapeReplay
    from simulator.tape import Tape

    return experiment.run(TapeReplay(Tape()), until=None if seconds is None else time.monotonic() + seconds)


def _tell(experiment: CommandExperiment, run: Run) -> int:
    """Say how an undisturbed run ended, where it did not pass; gives the exit code."""
    from simulator.campaigns.command.search import check_comes, nothing_held
    from simulator.reports.terminal import console_for

    check_comes(experiment, run)
    console = console_for()
    if run.violation is not None:
        said = f"undisturbed, it violates {run.violation.invariant}: {run.violation.message}"
        console.print(said, soft_wrap=True, highlight=False, markup=False)
    reason = run.incomplete or nothing_held(experiment, run)
    if reason is None:
        return 0
    console.print(f"incomplete: {reason}", soft_wrap=True, highlight=False, markup=False)
    return _CANNOT_DO


def _judged(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in _JUDGED:
            raise UsageError(f"--invariants: {name!r} needs to know the program; there are {', '.join(_JUDGED)}")
    return names


def _show_what_is_held(experiment: CommandExperiment, seconds: float | None) -> int:
    """One undisturbed run: what each rank was held at, what was dismissed, and since when."""
    from collections import Counter

    from simulator.operations import paths_of
    from simulator.reports.terminal import console_for

    run = _undisturbed(experiment, seconds)
    console = console_for()
    for attempt, engine in zip(run.attempts, experiment.engines, strict=True):
        for rank in range(engine.world_size):
            steps = [step for step in attempt.steps if step.rank == rank]
            since = engine.armed_by.get(rank)
            console.print(f"rank {rank}: {len(steps)} calls held" + (f", since {since}" if since else ""))
            kinds = Counter(
                f"{type(step.operation).__name__.lower()} {' → '.join(paths_of(step.operation))}".rstrip()
                for step in steps
            )
            for text, count in kinds.items():
                console.print(f"  {count:5,}  {text}", soft_wrap=True)
        console.print(f"{engine.dismissed:,} calls about other things were let go at once")
        for text in sorted(engine.unseen):
            console.print(f"unseen  {text}: no race with it is found", soft_wrap=True)
    return _tell(experiment, run)
