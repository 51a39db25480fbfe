"""Scenarios as strategies: clusters, workloads and fault budgets that are small enough to be run a thousand times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from simulator.campaigns.given import StrategyLike, reference_of, strategy_of
from simulator.errors import UsageError
from simulator.faults import Faults
from simulator.rank import Rank
from simulator.scenario import Cluster, FilesystemChoice, Scenario, StrategyChoice, Workload

_T = TypeVar("_T")
_LAYOUTS = ("ddp", "zero")


def clusters(max_ranks: int = 4) -> st.SearchStrategy[Cluster]:
    """Clusters of 2 to ``max_ranks`` ranks. Shrinks to 2 nodes with 1 rank each.

    Raises UsageError for fewer than 2: a race needs a second rank.
    """
    if max_ranks < 2:
        raise UsageError(f"max_ranks: must be at least 2, is {max_ranks}")
    pairs = [(n, m) for n in range(1, max_ranks + 1) for m in range(1, max_ranks + 1) if 2 <= n * m <= max_ranks]
    return st.sampled_from([Cluster(n, m) for n, m in sorted(pairs, key=lambda pair: (pair[0] * pair[1], -pair[0]))])


@st.composite
def workloads(draw: st.DrawFn, max_steps: int = 4) -> Workload:
    """Workloads of 1 to ``max_steps`` steps with a toy layout, some with a metric. Shrinks to one step."""
    steps = draw(st.integers(1, max_steps))
    save_every = draw(st.integers(1, min(2, steps)))
    saved = range(save_every, steps + 1, save_every)
    return Workload(
        layout=draw(st.sampled_from(_LAYOUTS)),
        steps=steps,
        save_every=save_every,
        keep=draw(st.sampled_from((1, 2, None))),
        best=draw(st.sampled_from((None, *saved))),
        frozen=draw(st.booleans()),
    )


def faults(max_kills: int = 1) -> st.SearchStrategy[Faults]:
    """Budgets of at most that many deaths of ranks, and of whole nodes. Shrinks to none."""
    return st.builds(Faults, kills=st.integers(0, max_kills), node_kills=st.integers(0, max_kills))


def scenarios(
    strategy: str | StrategyLike | type[StrategyLike] | st.SearchStrategy[str] | None = None,
    *,
    options: dict[str, Any] | None = None,
    program: Callable[[Rank], Any] | str | None = None,
    pick: Callable[[Path], Path | None] | str | None = None,
    cluster: Cluster | st.SearchStrategy[Cluster] | None = None,
    workload: Workload | st.SearchStrategy[Workload] | None = None,
    faults: Faults | st.SearchStrategy[Faults] | None = None,
    restarts: int | st.SearchStrategy[int] | None = None,
    filesystem: str | st.SearchStrategy[str] = "shared",
    invariants: tuple[str, ...] | None = None,
) -> st.SearchStrategy[Scenario]:
    """Scenarios of a strategy (by name, as a class, or drawn by name) or of a plain program; shrinks to small ones.

    What is not given is drawn: a cluster of up to 4 ranks, a workload of up to 4 steps, a budget of up to one death of
    a rank and of a node, no restart or one. Anything can be given as a value or as a strategy of Hypothesis. Raises
    UsageError for a class or function that a scenario cannot name, as it lies within a function.
    """
    if (strategy is None) == (program is None):
        raise UsageError("scenarios: give a strategy or a program, one of them")
    if pick is not None and program is None:
        raise UsageError("pick: a strategy has a pick of its own")
    named = strategy if isinstance(strategy, st.SearchStrategy) else st.just(_name_of(strategy, "strategy"))
    return st.builds(
        Scenario,
        cluster=_drawn(cluster, clusters()),
        workload=st.just(Workload()) if strategy is None else _drawn(workload, workloads()),
        strategy=st.none() if strategy is None else st.builds(StrategyChoice, named, st.just(options or {})),
        program=st.just(_name_of(program, "program")),
        pick=st.just(_name_of(pick, "pick")),
        invariants=st.just(invariants),
        filesystem=st.builds(FilesystemChoice, _drawn(filesystem, st.just("shared"))),
        faults=_drawn(faults, _faults()),
        restarts=_drawn(restarts, st.integers(0, 1)),
    )


_faults = faults


def _drawn(given: Any, otherwise: st.SearchStrategy[_T]) -> st.SearchStrategy[_T]:
    if given is None:
        return otherwise
    return given if isinstance(given, st.SearchStrategy) else st.just(given)


def _name_of(given: Any, key: str) -> str | None:
    """How a scenario names it."""
    if given is None or isinstance(given, str):
        return given
    if key == "strategy":
        strategy_of(given)  # Refuses a class that is none.
    name = reference_of(given)
    if name is None:
        raise UsageError(
            f"{key}: a scenario cannot name {given!r}; define it at the top of a module, or give it to run"
        )
    return name
