"""What the tests of minimising and explaining run: small racy programs, and runs of them that fail."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random
from typing import Any

from simulator.boundary import installed
from simulator.campaigns.searching.determinism import undisturbed_run
from simulator.campaigns.searching.portfolio import sampled_faults, scheduler_factories
from simulator.campaigns.searching.sampling import rank_lengths
from simulator.experiment import Experiment
from simulator.rank import Rank
from simulator.run import Run
from simulator.scenario import Cluster, Scenario, StrategyChoice, Workload


def racy_save(rank: Rank) -> None:
    """The save of the README."""
    staging = rank.root / "tmp-checkpoint-1"
    os.makedirs(staging, exist_ok=True)
    (staging / f"rng_state_{rank.index}.pth").write_bytes(b"...")
    rank.barrier()
    if staging.exists():
        os.rename(staging, rank.root / "checkpoint-1")


class EveryRankMakesTheDirectory:
    """Staged, renamed by rank 0, and rotated by mtime on the first rank of each node; directories are shared."""

    def save(self, rank: Rank, state: Any, step: int) -> None:
        staging = rank.root / f"tmp-{step}"
        self.make(rank, staging)
        for shard in state.shards:
            shard.save(staging / shard.name)
        rank.barrier()
        if rank.index == 0:
            os.rename(staging, rank.root / f"step-{step}")
        rank.barrier()

    def make(self, rank: Rank, staging: Path) -> None:
        staging.mkdir(exist_ok=True)

    def pick(self, rank: Rank) -> Path | None:
        return max(rank.root.glob("step-*"), key=lambda path: int(path.name.split("-")[1]), default=None)

    def load(self, rank: Rank, checkpoint: Path) -> Any:
        state = rank.fresh_state(int(checkpoint.name.split("-")[1]))
        for shard in state.shards:
            shard.load(checkpoint / shard.name)
        return state

    def rotate(self, rank: Rank, keep: int) -> None:
        if rank.local_index == 0:
            for old in sorted(rank.root.glob("step-*"), key=lambda path: path.stat().st_mtime)[:-keep]:
                shutil.rmtree(old)


class OneRankMakesTheDirectory(EveryRankMakesTheDirectory):
    """The same race, with nothing before it that could be taken for it."""

    def make(self, rank: Rank, staging: Path) -> None:
        if rank.index == 0:
            staging.mkdir()
        rank.barrier()


def scenario_of(name: str, *judged: str, steps: int = 2, nodes: int = 2, **options: Any) -> Scenario:
    """Two nodes of one rank each, the oldest checkpoint is deleted."""
    return Scenario(
        cluster=Cluster(nodes, 1),
        workload=Workload(steps=steps, keep=1),
        strategy=StrategyChoice(name, options),
        invariants=judged or None,
    )


def own(strategy: type) -> str:
    """How a scenario names a strategy of this file."""
    return f"{__file__}:{strategy.__name__}"


def failing_run(experiment: Experiment, seed: int, most: int = 3000) -> Run | None:
    """Some run that fails, before anything was made of it; None if ``most`` do not."""
    with installed():
        undisturbed = undisturbed_run(experiment)
        factories = scheduler_factories("mixed", undisturbed.attempts[0].steps)
        lengths = rank_lengths(undisturbed, experiment.scenario.cluster.world_size)
        for number in range(most):
            random = Random(seed << 20 | number)
            plan = sampled_faults(experiment.scenario, lengths, random)
            run = experiment.run(factories[number % len(factories)](random), plan)
            if run.violation is not None:
                return run
    return None
