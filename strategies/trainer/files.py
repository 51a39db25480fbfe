"""Which files a rank writes into a checkpoint, and in what order; how they are read back.

Source: the order of events in transformers 4.35 to 5.23 and DeepSpeed 0.18 and 0.19. Model first, then DeepSpeed's
shards or the optimizer, the scheduler, the random-number state of every rank, and the trainer state. Nothing is synced,
and every directory is made by whoever needs it.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.state import Shard, State, StrategyRank

_ORDER = ("model", "config", "model_states", "optimizer", "scheduler", "rng", "trainer_state")
_COMMON = ("model", "optimizer", "scheduler", "trainer_state")


def should_save(rank: StrategyRank, save_on_each_node: bool) -> bool:
    """Whether this rank writes what all ranks have in common: rank 0, or the first rank of each node."""
    return rank.local_index == 0 if save_on_each_node else rank.index == 0


def save_model(rank: StrategyRank, state: State, directory: Path, saving: bool) -> None:
    """Write the model's files; ``saving`` is what ``should_save`` says of this rank."""
    shards = _by_phase(rank, state, saving)["model"]
    if shards or saving:
        os.makedirs(directory, exist_ok=True)
    _write(shards, directory)


def save_training_state(rank: StrategyRank, state: State, directory: Path, saving: bool) -> None:
    """Write everything but the model.

    DeepSpeed has barriers of its own, one after a rank made the directory and one after ``latest`` was written: later
    than ``latest`` names the shards. What follows (random-number states, trainer state) has none.
    """
    shards = _by_phase(rank, state, saving)
    if shards["deepspeed"]:
        if rank.index == 0:
            os.makedirs(directory, exist_ok=True)
        rank.barrier()
        _write(shards["deepspeed"], directory)
        rank.barrier()
    _write(shards["optimizer"], directory)
    os.makedirs(directory, exist_ok=True)
    _write(shards["rest"], directory)


def load_files(rank: StrategyRank, checkpoint: Path) -> State:
    """Read every file that this rank needs; the step is the number in the directory's name."""
    state = rank.fresh_state(int(checkpoint.name.rsplit("-", 1)[1]))
    for shard in state.shards:
        shard.load(checkpoint / shard.name)
    return state


def _files(rank: StrategyRank, state: State, saving: bool) -> list[Shard]:
    """What the rank writes: its own files and, as the first of another node, a copy of what rank 0 writes."""
    if not saving or rank.index == 0:
        return state.shards
    own = {shard.name for shard in state.shards}
    copies = [
        shard
        for shard in rank.fresh_state(state.step).shards
        if shard.role in _COMMON and shard.name not in own and _phase(shard) != "deepspeed"
    ]
    return sorted([*state.shards, *copies], key=_place)


def _place(shard: Shard) -> int:
    return _ORDER.index(shard.role) if shard.role in _ORDER else len(_ORDER)


def _by_phase(rank: StrategyRank, state: State, saving: bool) -> defaultdict[str, list[Shard]]:
    phases: defaultdict[str, list[Shard]] = defaultdict(list)
    for shard in _files(rank, state, saving):
        phases[_phase(shard)].append(shard)
    return phases


def _phase(shard: Shard) -> str:
    """Who writes the file: ``save_model``, DeepSpeed (at least one a rank, below the step's directory), or Trainer.

    Trainer writes optimizer and scheduler before it makes sure of the directory, and the rest after it.
    """
    if shard.role == "pointer" or shard.name.startswith(("global_step", "zero_to_")):
        return "deepspeed"
    if shard.role in ("model", "config"):
        return "model"
    return "optimizer" if shard.role in ("optimizer", "scheduler") else "rest"


def _write(shards: Iterable[Shard], directory: Path) -> None:
    for shard in shards:
        path = os.path.join(directory, shard.name)
        if "/" in shard.name:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        shard.save(path)
