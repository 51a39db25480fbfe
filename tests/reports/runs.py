"""Recorded failures of real runs, for the reports that run them again."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import simulator
from simulator.faults import Faults
from simulator.scenario import CostChoice, Scenario, StrategyChoice
from simulator.trace import Trace


def of(**parts: Any) -> Trace:
    """The first failure of a strategy."""
    strategy = StrategyChoice(parts.pop("strategy"))
    failure = simulator.explore(Scenario(strategy=strategy, **parts), schedules=500, seed=1).failure
    assert failure is not None
    return failure.trace


def race() -> Trace:
    """One rank deletes what another renames."""
    return of(strategy="transformers-4.38", invariants=("no-error",))


def killed() -> Trace:
    """A rank is killed, and the job that starts again fails."""
    trace = of(strategy="transformers-4.35", invariants=("no-error",), faults=Faults(kills=1), restarts=1)
    assert len(trace.attempts) == 2
    return trace


def costed() -> Trace:
    """Operations take their time."""
    return of(strategy="transformers-4.36.0", invariants=("no-error",), costs=CostChoice("lustre"))


def background() -> Trace:
    """A rank works in the background."""

    def program(rank: simulator.Rank) -> None:
        handle = rank.background((rank.root / f"{rank.index}").mkdir)
        (rank.root / f"main-{rank.index}").mkdir()
        handle.wait()
        value = rank.broadcast(rank.index, source=1)
        path = rank.root / f"shared-{value}"
        if not path.exists():
            path.mkdir()

    failure = simulator.explore(program, nodes=1, ranks_per_node=3, schedules=500).failure
    assert failure is not None
    return failure.trace


RUNS: dict[str, Callable[[], Trace]] = {f.__name__: cache(f) for f in (race, killed, costed, background)}
"""By name; each is recorded once."""
