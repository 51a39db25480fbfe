"""Hugging Face transformers 4.38: as 4.37, and the first rank of every other node removes the staging directory.

Source: transformers 4.38.0 to 4.38.2 as released, pull requests #28848 and #28862; reports #29336, #27925,
hiyouga/LLaMA-Factory#2593; reverted by #29370. The clean-up is meant for nodes with disks of their own and runs
beside rank 0's test and rename. Rotation goes by step number.

What it does not protect from:
- a directory that the nodes share: the clean-up fails because rank 0 renames the directory away under it (ENOENT), or
  removes everything before rank 0 tests, which then skips the rename, so that the checkpoint is lost and no rank
  raises, or removes some files of what rank 0 publishes;
- a new run into a directory with checkpoints of larger numbers: it deletes its own (#37260);
- deletion half done and power loss, as in 4.37.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from strategies.trainer.files import load_files, save_model, save_training_state, should_save
from strategies.trainer.resume import last_checkpoint
from strategies.trainer.rotation import rotate
from strategies.trainer.staging import rename_and_sync, staging_for

if TYPE_CHECKING:
    from simulator.state import State, StrategyRank


class OtherNodesCleanUp:
    """The protocol of 4.38. ``save_on_each_node``: the first rank of each node writes, renames and rotates."""

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
            rotate(rank.root, state.keep, state.best_step, by_time=False)
        elif rank.local_index == 0 and staging != final and os.path.exists(staging):
            shutil.rmtree(staging)
        rank.barrier()

    def pick(self, rank: StrategyRank) -> Path | None:
        return last_checkpoint(rank.root)

    def load(self, rank: StrategyRank, checkpoint: Path) -> State:
        return load_files(rank, checkpoint)
