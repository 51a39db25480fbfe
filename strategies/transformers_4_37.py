"""Hugging Face transformers 4.37: one rank renames and rotates, between two barriers.

Source: transformers 4.37.0 to 4.37.2 as released, pull request #28364. As 4.36.2, but only rank 0 (the first rank of
each node with ``save_on_each_node``) tests, renames, syncs the renamed directory and rotates; nobody else looks.

What it does not protect from:
- power loss: only the renamed directory itself is synced, neither the files in it nor the parent that holds its new
  name, so a checkpoint whose save has returned may be missing or hold empty files;
- nodes with disks of their own keep their staging directory for ever;
- ``save_on_each_node`` on a directory that the nodes share: the first ranks of two nodes rename and rotate together;
- rotation by modification time and deletion half done, as in 4.35.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from strategies.trainer.files import load_files, save_model, save_training_state, should_save
from strategies.trainer.resume import last_checkpoint
from strategies.trainer.rotation import rotate
from strategies.trainer.staging import rename_and_sync, staging_for

if TYPE_CHECKING:
    from simulator.state import State, StrategyRank


class OneRankRenames:
    """The protocol of 4.37. ``save_on_each_node``: the first rank of each node writes, renames and rotates."""

    def __init__(self, save_on_each_node: bool = False) -> None:
        self.save_on_each_node = save_on_each_node

    def save(self, rank: StrategyRank, state: State, step: int) -> None:
        saving = should_save(rank, self.save_on_each_node)
        final = rank.root / f"checkpoint-{step}"
        staging = staging_for(final)
        save_model(rank, state, staging, saving)
        save_training_state(rank, state, staging, saving)
        rank.barrier()
        if saving:
            if staging != final and os.path.exists(staging):
                rename_and_sync(staging, final)
            rotate(rank.root, state.keep, state.best_step, by_time=True)
        rank.barrier()

    def pick(self, rank: StrategyRank) -> Path | None:
        return last_checkpoint(rank.root)

    def load(self, rank: StrategyRank, checkpoint: Path) -> State:
        return load_files(rank, checkpoint)
