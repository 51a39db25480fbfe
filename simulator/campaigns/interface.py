"""The functions that people call: ``simulator.explore``, ``replay``, ``run_as_rank``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from simulator.campaigns import arguments
from simulator.campaigns.given import Invariants, StrategyLike, reference_of, split, strategy_of
from simulator.campaigns.result import Result
from simulator.campaigns.searching.sampling import Progress, sample
from simulator.errors import UsageError
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.rank import Rank
from simulator.scenario import Cluster, FilesystemChoice, Scenario, StrategyChoice, check_room

Programs = Callable[[Rank], Any] | Sequence[Callable[[Rank], Any]] | StrategyLike | type[StrategyLike] | str
"""A function of the rank, one for each rank, or a strategy: a class, an instance, or its name."""


def experiment_of(
    programs: Programs | Scenario | Experiment,
    *,
    nodes: int | None = None,
    ranks_per_node: int | None = None,
    filesystem: str | FilesystemChoice = "shared",
    persistence: str | None = None,
    faults: Faults | None = None,
    restarts: int = 0,
    pick: Callable[[Path], Path | None] | None = None,
    invariants: Invariants = (),
) -> Experiment:
    """An experiment from what the public functions take: a program, one a rank, a strategy, or a whole scenario.

    Raises UsageError when the number of programs and the cluster disagree, or something given is none of these.
    """
    if isinstance(programs, Scenario | Experiment):
        arguments.none_beside(
            "scenario" if isinstance(programs, Scenario) else "experiment",
            nodes=nodes,
            ranks_per_node=ranks_per_node,
            filesystem=None if filesystem == "shared" else filesystem,
            persistence=persistence,
            faults=faults,
            restarts=restarts or None,
            pick=pick,
            invariants=(invariants or None) if isinstance(programs, Experiment) else None,
        )
    if isinstance(programs, Experiment):
        return programs
    for name, value in (("nodes", nodes), ("ranks_per_node", ranks_per_node), ("restarts", restarts)):
        arguments.whole(name, value)
    arguments.text("persistence", persistence)
    arguments.function_or_none("pick", pick)
    names, checks = split(invariants)
    if isinstance(programs, Scenario):
        if names is not None:
            programs = msgspec.structs.replace(programs, invariants=names)
        return Experiment(programs, checks=checks)
    strategy = (programs, None) if isinstance(programs, str) else strategy_of(programs)
    if strategy is not None:
        if pick is not None:
            raise UsageError("pick: a strategy has a pick of its own")
        scenario = Scenario(
            cluster=Cluster(2 if nodes is None else nodes, 1 if ranks_per_node is None else ranks_per_node),
            strategy=StrategyChoice(strategy[0]),
            invariants=names,
            filesystem=_chosen(filesystem, persistence),
            faults=arguments.faults_given(faults),
            restarts=restarts,
        )
        return Experiment(scenario, strategy=strategy[1], checks=checks)
    if callable(programs):
        cluster = Cluster(2 if nodes is None else nodes, 1 if ranks_per_node is None else ranks_per_node)
        check_room(cluster)
        each = [programs] * max(0, cluster.world_size)
    else:
        given: Any = programs
        each = list(given) if isinstance(given, Iterable) else [given]
        for program in each:
            if not callable(program):
                raise UsageError(f"programs: {program!r} is neither a function of the rank nor a strategy")
        per_node = 1 if ranks_per_node is None else ranks_per_node
        cluster = Cluster(len(each) // max(1, per_node) if nodes is None else nodes, per_node)
    scenario = Scenario(
        cluster=cluster,
        filesystem=_chosen(filesystem, persistence),
        faults=arguments.faults_given(faults),
        restarts=restarts,
        program=reference_of(programs),
        pick=reference_of(pick),
        invariants=names,
    )
    return Experiment(scenario, programs=each, pick=pick, checks=checks)


def _chosen(filesystem: str | FilesystemChoice, persistence: str | None) -> FilesystemChoice:
    choice = arguments.filesystem_given(filesystem)
    return choice if persistence is None else msgspec.structs.replace(choice, persistence=persistence)


@arguments.named_arguments
def explore(
    programs: Programs | Scenario | Experiment,
    *,
    nodes: int | None = None,
    ranks_per_node: int | None = None,
    filesystem: str | FilesystemChoice = "shared",
    persistence: str | None = None,
    scheduler: str = "mixed",
    schedules: int = 1000,
    seed: int = 0,
    seconds: float | None = None,
    faults: Faults | None = None,
    restarts: int = 0,
    pick: Callable[[Path], Path | None] | None = None,
    invariants: Invariants = (),
    progress: Progress | None = None,
    go_on: bool = False,
) -> Result:
    """Sample schedules of a program (run once a rank) until an invariant is violated or ``schedules`` were run.

    ``programs`` may also be a strategy (a class with ``save`` and ``pick``, an instance, or its name). ``invariants``
    are names, which select built-in ones, and functions, which add one's own.

    With ``go_on`` a failure that was found is set aside, and the search goes on past it: ``result.failures`` has one of
    each kind, the gravest first, and ``result.hidden`` says what they hide.

    Raises UsageError for arguments that make no sense, Escape when code under test reaches the real disk, CannotDo
    when no rank makes a call about a file or the code is not deterministic.
    """
    from simulator.boundary import installed

    for name, value in (("schedules", schedules), ("seed", seed)):
        arguments.whole(name, value)
    arguments.number("seconds", seconds)
    arguments.text("scheduler", scheduler)
    if schedules < 1:
        raise UsageError(f"schedules: must be at least 1, is {schedules}")
    experiment = experiment_of(
        programs,
        nodes=nodes,
        ranks_per_node=ranks_per_node,
        filesystem=filesystem,
        persistence=persistence,
        faults=faults,
        restarts=restarts,
        pick=pick,
        invariants=invariants,
    )
    with installed():
        return sample(
            experiment,
            schedules=schedules,
            scheduler=scheduler,
            seed=seed,
            seconds=seconds,
            progress=progress,
            go_on=go_on,
        )
