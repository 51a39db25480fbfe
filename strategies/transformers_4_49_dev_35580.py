"""Hugging Face transformers 4.49.0.dev0 with pull request #35580: every rank renames a directory of its own.

Source: the main branch between #35580 (2025-02-06) and #36094 (2025-02-07), never released; reports #36076, #36099,
hiyouga/LLaMA-Factory#6882, #6848, modelscope/ms-swift#3031, #3049. Each rank makes a temporary directory with a
random name, writes its files there and renames it to ``checkpoint-N``; where that is in the way, it is deleted and the
rename tried again. There is no barrier but DeepSpeed's, and no two ranks' files ever meet in one directory.

What it does not protect from (all four on a single node, in ordinary runs):
- the second rank deletes the first one's checkpoint and puts its own files in its place; no rank raises;
- another rank renames between the deletion and the second rename, which fails (ENOTEMPTY or EEXIST);
- two ranks delete the same directory (ENOENT), or one renames into the directory that another has just emptied
  (ENOTEMPTY from its rmdir);
- a rank that is killed leaves its temporary directory for ever: neither resume nor rotation knows its name;
- the published directory keeps the mode 0700 of the temporary one; power loss, as in 4.35.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from strategies.trainer.files import load_files, save_model, save_training_state, should_save
from strategies.trainer.private_staging import rename_over
from strategies.trainer.resume import last_checkpoint
from strategies.trainer.rotation import rotate

if TYPE_CHECKING:
    from simulator.state import State, StrategyRank


class PrivateDirectories:
    """The protocol of #35580. ``save_on_each_node``: the first rank of each node writes and rotates."""

    def __init__(self, save_on_each_node: bool = False) -> None:
        self.save_on_each_node = save_on_each_node

    def save(self, rank: StrategyRank, state: State, step: int) -> None:
        saving = should_save(rank, self.save_on_each_node)
        os.makedirs(rank.root, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=rank.root, prefix="tmp-checkpoint-") as staging:
            save_model(rank, state, Path(staging), saving)
            save_training_state(rank, state, Path(staging), saving)
            rename_over(staging, rank.root / f"checkpoint-{step}")
        if saving:
            rotate(rank.root, state.keep, state.best_step, by_time=False)

    def pick(self, rank: StrategyRank) -> Path | None:
        return last_checkpoint(rank.root)

    def load(self, rank: StrategyRank, checkpoint: Path) -> State:
        return load_files(rank, checkpoint)
