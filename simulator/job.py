"""The training loop around a strategy: train, save, rotate; on a restart pick, load and go on from there."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulator.rank import Rank
from simulator.scenario import Workload
from simulator.workload import BoundWorkload

_NUMBER_AT_END = re.compile(r"(\d+)$")


def step_of(checkpoint: Path, state: Any = None) -> int | None:
    """The step of a checkpoint: what the loaded state says, else the number at the end of its name, if any."""
    step = getattr(state, "step", None)
    if isinstance(step, int):
        return step
    found = _NUMBER_AT_END.search(checkpoint.name)
    return int(found.group(1)) if found else None


def training_program(
    strategy_factory: Callable[[], Any], workload: Workload, bound: BoundWorkload
) -> Callable[[Rank], None]:
    """The code of one rank of the job.

    Each training step ends in an all-reduce, as the gradients of data parallel training do: no rank is more than a
    step ahead of another. Nothing else orders the ranks, and the loop ends without a barrier, as real ones do.
    """

    def program(rank: Rank) -> None:
        strategy = strategy_factory()
        process = rank.process
        start = 0
        if rank.attempt > 0:
            checkpoint = strategy.pick(rank)
            if checkpoint is not None:
                state = strategy.load(rank, checkpoint) if hasattr(strategy, "load") else None
                start = step_of(Path(checkpoint), state) or 0
                process.resumed(start, Path(checkpoint).name)
                recover = getattr(strategy, "recover", None)
                if recover is not None:
                    recover(rank, checkpoint, state)
            else:
                process.resumed(0, "")
        rotate = getattr(strategy, "rotate", None)
        for step in range(start + 1, workload.steps + 1):
            process.elapse(workload.step_seconds)
            rank.all_reduce_sum(1)
            if step % workload.save_every == 0:
                process.saving()
                strategy.save(rank, bound.to_save(rank.index, step), step)
                if rotate is not None and workload.keep is not None:
                    rotate(rank, workload.keep)
                rank.saved(step)

    return program
