"""Hugging Face transformers 4.36.1: the first rank of every node renames first, the others after it.

Source: transformers 4.36.1 as released, pull request #28009; reports #28119, hiyouga/LLaMA-Factory#1963, #1979. As
4.36.0, but a barrier comes before the rename, and each rank tests whether the staging directory is still there. The
rank that goes first is the first *of its node*, since that is the default of ``main_process_first``.

What it does not protect from:
- two nodes with a shared directory: their first ranks test and rename at the same time, and the second finds nothing
  (ENOENT); a test and an action are not one step;
- a test that a stale view answers (NFS), see 4.36.2;
- rotation by modification time, deletion half done and power loss, as in 4.35.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from strategies.trainer.files import load_files, save_model, save_training_state, should_save
from strategies.trainer.process_first import main_process_first
from strategies.trainer.resume import last_checkpoint
from strategies.trainer.rotation import rotate
from strategies.trainer.staging import staging_for

if TYPE_CHECKING:
    from simulator.state import State, StrategyRank


class FirstOfEachNodeRenamesFirst:
    """The protocol of 4.36.1. ``save_on_each_node``: the first rank of each node writes and rotates."""

    def __init__(self, save_on_each_node: bool = False) -> None:
        self.save_on_each_node = save_on_each_node

    def save(self, rank: StrategyRank, state: State, step: int) -> None:
        saving = should_save(rank, self.save_on_each_node)
        final = rank.root / f"checkpoint-{step}"
        staging = staging_for(final)
        save_model(rank, state, staging, saving)
        save_training_state(rank, state, staging, saving)
        if staging != final:
            rank.barrier()
            with main_process_first(rank, local=True):
                if os.path.exists(staging):
                    os.rename(staging, final)
        if saving:
            rotate(rank.root, state.keep, state.best_step, by_time=True)

    def pick(self, rank: StrategyRank) -> Path | None:
        return last_checkpoint(rank.root)

    def load(self, rank: StrategyRank, checkpoint: Path) -> State:
        return load_files(rank, checkpoint)
