"""Hugging Face transformers 4.36.0: a shared staging directory, which every rank renames; no barrier.

Source: transformers 4.36.0 as released, pull request #27820; reports #27925, #28015, hiyouga/LLaMA-Factory#1839,
#1848, #1860. Every rank chooses ``tmp-checkpoint-N``, or ``checkpoint-N`` if that exists and is not empty, writes its
files there and renames the staging directory.

What it does not protect from:
- a rank that renames before the others have written: they find their directory gone (ENOENT), or make it again and
  cannot rename it over the first (ENOTEMPTY), or write into the published directory;
- the second rank that renames finds nothing to rename (ENOENT);
- whatever was renamed first is picked on resume, complete or not;
- rotation by modification time, deletion half done and power loss, as in 4.35.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from strategies.trainer.files import load_files, save_model, save_training_state, should_save
from strategies.trainer.resume import last_checkpoint
from strategies.trainer.rotation import rotate
from strategies.trainer.staging import staging_for

if TYPE_CHECKING:
    from simulator.state import State, StrategyRank


class EveryRankRenames:
    """The protocol of 4.36.0. ``save_on_each_node``: the first rank of each node writes and rotates."""

    def __init__(self, save_on_each_node: bool = False) -> None:
        self.save_on_each_node = save_on_each_node

    def save(self, rank: StrategyRank, state: State, step: int) -> None:
        saving = should_save(rank, self.save_on_each_node)
        final = rank.root / f"checkpoint-{step}"
        staging = staging_for(final)
        save_model(rank, state, staging, saving)
        save_training_state(rank, state, staging, saving)
        if staging != final:
            os.rename(staging, final)
        if saving:
            rotate(rank.root, state.keep, state.best_step, by_time=True)

    def pick(self, rank: StrategyRank) -> Path | None:
        return last_checkpoint(rank.root)

    def load(self, rank: StrategyRank, checkpoint: Path) -> State:
        return load_files(rank, checkpoint)
