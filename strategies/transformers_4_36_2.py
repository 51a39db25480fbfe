"""Hugging Face transformers 4.36.2: rank 0 renames first, and all others test and rename after it.

Source: transformers 4.36.2 as released, pull request #28078; report hiyouga/LLaMA-Factory#2010. As 4.36.1, but the
rank that goes first is rank 0, or the first of each node with ``save_on_each_node``.

What it does not protect from:
- a stale view (NFS): a rank whose node has cached the staging directory still sees it and renames again (ENOENT);
- ``save_on_each_node`` on a directory that the nodes share: the first ranks of two nodes rename at the same time, and
  both rotate. One node's deletion makes the doomed directory the one that was changed last, so that the other node
  takes the newest checkpoint for the older one and deletes it: no checkpoint is left and no rank raises;
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


class RankZeroRenamesFirst:
    """The protocol of 4.36.2.

    ``save_on_each_node``: the first rank of each node writes, renames first and rotates. ``rotate_by``: ``mtime``, as
    released, or ``number``, the mutant that orders by step. Raises ValueError for any other order.
    """

    def __init__(self, save_on_each_node: bool = False, rotate_by: str = "mtime") -> None:
        if rotate_by not in ("mtime", "number"):
            raise ValueError(f"rotate_by: must be mtime or number, is {rotate_by!r}")
        self.save_on_each_node = save_on_each_node
        self.by_time = rotate_by == "mtime"

    def save(self, rank: StrategyRank, state: State, step: int) -> None:
        saving = should_save(rank, self.save_on_each_node)
        final = rank.root / f"checkpoint-{step}"
        staging = staging_for(final)
        save_model(rank, state, staging, saving)
        save_training_state(rank, state, staging, saving)
        if staging != final:
            rank.barrier()
            with main_process_first(rank, local=self.save_on_each_node):
                if os.path.exists(staging):
                    os.rename(staging, final)
        if saving:
            rotate(rank.root, state.keep, state.best_step, by_time=self.by_time)

    def pick(self, rank: StrategyRank) -> Path | None:
        return last_checkpoint(rank.root)

    def load(self, rank: StrategyRank, checkpoint: Path) -> State:
        return load_files(rank, checkpoint)
