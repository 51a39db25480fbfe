"""The functions that people call: ``simulator.explore``, ``replay``, ``run_as_rank``."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from simulator.campaigns.result import Result
from simulator.campaigns.sampling import Progress, sample
from simulator.errors import UsageError
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.rank import Rank
from simulator.scenario import Cluster, FilesystemChoice, Scenario

Programs = Callable[[Rank], Any] | Sequence[Callable[[Rank], Any]]


def experiment_of(
    programs: Programs | Scenario | Experiment,
    *,
    nodes: int | None = None,
    ranks_per_node: int | None = None,
    filesystem: str = "shared",
    faults: Faults | None = None,
    restarts: int = 0,
    pick: Callable[[Path], Path | None] | None = None,
    invariants: Sequence[Callable[..., Any]] = (),
) -> Experiment:
    """An experiment from what the public functions take: a program, one program a rank, or a whole scenario.

    Raises UsageError when the number of programs and the cluster disagree.
    """
    if isinstance(programs, Experiment):
        return programs
    if isinstance(programs, Scenario):
        return Experiment(programs, checks=invariants)
    if callable(programs):
        cluster = Cluster(2 if nodes is None else nodes, 1 if ranks_per_node is None else ranks_per_node)
        each = [programs] * max(0, cluster.world_size)
    else:
        each = list(programs)
        per_node = 1 if ranks_per_node is None else ranks_per_node
        cluster = Cluster(len(each) // max(1, per_node) if nodes is None else nodes, per_node)
    scenario = Scenario(
        cluster=cluster,
        filesystem=FilesystemChoice(filesystem),
        faults=faults or Faults(),
        restarts=restarts,
        program=_reference(programs),
        pick=_reference(pick),
    )
    return Experiment(scenario, programs=each, pick=pick, checks=invariants)


def explore(
    programs: Programs | Scenario,
    *,
    nodes: int | None = None,
    ranks_per_node: int | None = None,
    filesystem: str = "shared",
    scheduler: str = "mixed",
    schedules: int = 1000,
    seed: int = 0,
    seconds: float | None = None,
    faults: Faults | None = None,
    restarts: int = 0,
    pick: Callable[[Path], Path | None] | None = None,
    invariants: Sequence[Callable[..., Any]] = (),
    progress: Progress | None = None,
) -> Result:
    """Sample schedules of a program (run once a rank) until an invariant is violated or ``schedules`` were run.

    Raises UsageError for arguments that make no sense, Escape when code under test reaches the real disk, CannotDo
    when nothing was interleaved or the code is not deterministic.
    """
    from simulator.boundary import installed

    if schedules < 1:
        raise UsageError(f"schedules: must be at least 1, is {schedules}")
    experiment = experiment_of(
        programs,
        nodes=nodes,
        ranks_per_node=ranks_per_node,
        filesystem=filesystem,
        faults=faults,
        restarts=restarts,
        pick=pick,
        invariants=invariants,
    )
    with installed():
        return sample(
            experiment, schedules=schedules, scheduler=scheduler, seed=seed, seconds=seconds, progress=progress
        )


def _reference(function: Any) -> str | None:
    """How a scenario names a function so that another process finds it; None where nobody could.

    One program for each rank has no such name, and neither has a function inside a function.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "<")
    if module is None or "<" in name:
        return None
    if getattr(sys.modules.get(module), "__package__", None):
        return f"{module}:{name}"
    # A script, or a module that only this process can import by its name.
    file = inspect.getsourcefile(function)
    return None if file is None else f"{os.path.abspath(file)}:{name}"
