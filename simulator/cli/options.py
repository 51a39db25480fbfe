"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from simulator.errors import UsageError

CODE = "Code under test"
JOB = "Job and cluster"
FAULTS = "Faults and invariants"
SEARCH = "Search"
OUTPUT = "Output"

ERROR_RULE = (
    "that may fail: 'OPERATION ERRNO [path=REGEX] [rank=N,N] [count=N] [probability=P]', as in "
    "'open|write ENOSPC path=optimizer'; repeatable."
)

ScenarioFile = Annotated[
    Path | None, typer.Argument(metavar="SCENARIO.toml", help="A scenario file; options override what it says.")
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", help="The same seed gives the same schedules.", rich_help_panel=SEARCH)
]
For = Annotated[
    str | None,
    typer.Option("--for", metavar="TIME", help="Stop after this time: 30s, 5m, 2h.", rich_help_panel=SEARCH),
]
GoOn = Annotated[
    bool,
    typer.Option(
        "--go-on/--stop-at-first",
        help="Set a failure that was found aside and go on, until the schedules or the time are used up.",
        rich_help_panel=SEARCH,
    ),
]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where traces of failures go.", rich_help_panel=OUTPUT)]
Json = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the result as JSON; - for standard output.", rich_help_panel=OUTPUT
    ),
]
Confirm = Annotated[
    bool,
    typer.Option(
        "--confirm/--no-confirm",
        help="Replay a failure with real processes on a real disk.",
        rich_help_panel=OUTPUT,
    ),
]
TrustTrace = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Run what the trace names, even if it was not recorded here and is no code of this project.",
        rich_help_panel=CODE,
    ),
]
TraceFile = Annotated[Path, typer.Argument(metavar="TRACE.json", help="A trace that ckptrace wrote.")]


@dataclass(frozen=True)
class ScenarioOptions:
    """The parts of a scenario that have options of their own. None: as the scenario file says, else the default."""

    strategy: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A strategy by name (see ckptrace strategies), or path/to/file.py:Class.",
            rich_help_panel=CODE,
        ),
    ] = None
    option: Annotated[
        list[str],
        typer.Option(metavar="KEY=VALUE", help="For the strategy's constructor; repeatable.", rich_help_panel=CODE),
    ] = field(default_factory=list)
    program: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.py:FUNCTION", help="A plain program instead: a function of rank.", rich_help_panel=CODE
        ),
    ] = None
    pick: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.py:FUNCTION",
            help="For a plain program: a function of the root that gives what a restart would take.",
            rich_help_panel=CODE,
        ),
    ] = None
    nodes: Annotated[int | None, typer.Option(metavar="N", help="Machines.  [default: 2]", rich_help_panel=JOB)] = None
    ranks_per_node: Annotated[
        int | None, typer.Option(metavar="N", help="Ranks on each machine.  [default: 1]", rich_help_panel=JOB)
    ] = None
    fs: Annotated[
        str | None,
        typer.Option(
            metavar="PROFILE", help="File system (see ckptrace profiles).  [default: shared]", rich_help_panel=JOB
        ),
    ] = None
    fs_option: Annotated[
        list[str],
        typer.Option(metavar="KEY=VALUE", help="For the file system's profile; repeatable.", rich_help_panel=JOB),
    ] = field(default_factory=list)
    persistence: Annotated[
        str | None,
        typer.Option(
            metavar="PROFILE",
            help="What survives a loss of power: posix-min, ext4, xfs, btrfs, nfs.  [default: posix-min; on nfs, nfs]",
            rich_help_panel=JOB,
        ),
    ] = None
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Training steps.  [default: 2]", rich_help_panel=JOB)
    ] = None
    save_every: Annotated[
        int | None, typer.Option(metavar="N", help="Steps from save to save.  [default: 1]", rich_help_panel=JOB)
    ] = None
    keep: Annotated[
        str | None, typer.Option(metavar="N|all", help="Checkpoints to keep.  [default: 1]", rich_help_panel=JOB)
    ] = None
    best: Annotated[
        int | None, typer.Option(metavar="STEP", help="The step with the best metric.", rich_help_panel=JOB)
    ] = None
    frozen: Annotated[
        bool | None,
        typer.Option(
            "--frozen/--no-frozen",
            help="A shard that never changes.  [default: if the strategy asks for it]",
            rich_help_panel=JOB,
        ),
    ] = None
    layout: Annotated[
        str | None, typer.Option(metavar="NAME", help="Files of a checkpoint.  [default: ddp]", rich_help_panel=JOB)
    ] = None
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="For layouts of a real model.", rich_help_panel=JOB)
    ] = None
    form: Annotated[
        str | None,
        typer.Option(
            metavar="bytes|torch|safetensors|size", help="Content of files.  [default: bytes]", rich_help_panel=JOB
        ),
    ] = None
    kills: Annotated[
        int | None, typer.Option(metavar="N", help="Ranks that may be killed.", rich_help_panel=FAULTS)
    ] = None
    node_kills: Annotated[int | None, typer.Option(metavar="N", help="Nodes that may die.", rich_help_panel=FAULTS)] = (
        None
    )
    node_hangs: Annotated[
        int | None, typer.Option(metavar="N", help="Nodes that may stop and not die.", rich_help_panel=FAULTS)
    ] = None
    power_losses: Annotated[
        int | None,
        typer.Option(metavar="N", help="Times that all nodes may lose power at once.", rich_help_panel=FAULTS),
    ] = None
    slow_ranks: Annotated[
        int | None,
        typer.Option(metavar="N", help="Ranks whose operations take ten times as long.", rich_help_panel=FAULTS),
    ] = None
    error: Annotated[
        list[str], typer.Option(metavar="RULE", help=f"Operations {ERROR_RULE}", rich_help_panel=FAULTS)
    ] = field(default_factory=list)
    restarts: Annotated[
        int | None,
        typer.Option(metavar="N", help="Further attempts of the job, each on what is left.", rich_help_panel=FAULTS),
    ] = None
    job_death: Annotated[
        bool | None,
        typer.Option(
            "--job-death/--no-job-death",
            help="Judge at every instant what a restart would find.  [default: job-death]",
            rich_help_panel=FAULTS,
        ),
    ] = None
    invariants: Annotated[
        str | None,
        typer.Option(metavar="NAME,NAME", help="Judge only these invariants.", rich_help_panel=FAULTS),
    ] = None


_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


def seconds_of(text: str | None, option: str) -> float | None:
    """``90``, ``30s``, ``5m``, ``2h`` in seconds. Raises UsageError, naming the option."""
    if text is None:
        return None
    found = _TIME.fullmatch(text.strip())
    value = float(found.group(1)) * _UNITS[found.group(2)] if found is not None else 0.0
    if value <= 0:
        raise UsageError(f"{option}: must be a time above 0 such as 30s, 5m or 2h, is {text!r}")
    return value


def pairs_of(texts: list[str], option: str) -> dict[str, Any]:
    """``key=value`` texts as a table. Raises UsageError, naming the option, for one without ``=`` or said twice."""
    table: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"{option}: must be key=value, is {text!r}")
        if key in table:
            raise UsageError(f"{option}: {key!r} is given twice")
        table[key] = value
    return table
