"""``ckptrace run`` where system calls cannot be held: a Python program behind the Python boundary instead."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import msgspec

from simulator.errors import Escape, UsageError
from simulator.scenario import CommandChoice, Scenario


def run_behind(
    scenario: Scenario,
    choice: CommandChoice,
    reason: str,
    given: Iterable[str],
    *,
    scheduler: str,
    schedules: int,
    limited: bool,
    seconds: float | None,
    seed: int,
    go_on: bool,
    out: Path,
    json: str | None,
) -> int:
    """Say in one line why and what is done instead, then sample schedules; gives the exit code.

    ``given`` are the options that need held system calls. Raises UsageError where there are any.
    """
    from simulator.boundary import installed
    from simulator.campaigns.command.fallback import JUDGED, experiment_behind
    from simulator.campaigns.searching.findings import by_gravity
    from simulator.campaigns.searching.sampling import sample
    from simulator.cli.conclusion import conclude, searched
    from simulator.cli.progress import watched

    refused = ", ".join(given)
    if refused:
        raise UsageError(f"{reason}; {refused}: not possible without")
    other = sorted(set(scenario.invariants or ()) - set(JUDGED))
    if other:
        raise UsageError(f"{reason}; --invariants: without, {', '.join(other)} cannot be judged")
    experiment = experiment_behind(msgspec.structs.replace(scenario, command=choice))
    print(
        f"ckptrace: {reason}; so the program is run behind the Python boundary instead, "
        "on a simulated file system: what native code does is not seen, and of "
        f"the invariants only {' and '.join(JUDGED)} are judged",
        file=sys.stderr,
    )
    try:
        with watched(sys.stderr, schedules if limited else None, seconds) as progress, installed():
            found = partial(
                sample,
                experiment,
                scheduler=scheduler,
                schedules=schedules,
                seed=seed,
                seconds=seconds,
                go_on=go_on,
                kind_of=by_gravity,
            )
            result = searched(scenario, partial(found, progress=progress))
    except Escape as escape:
        raise Escape(
            f"{escape}. Behind the Python boundary a program comes to {choice.watch} "
            "by its arguments alone, and has no network, processes or threads; where system calls can be held, it has"
        ) from escape
    return conclude(result, out, json, confirm=True)
