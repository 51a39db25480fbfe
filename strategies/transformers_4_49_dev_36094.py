"""Hugging Face transformers 4.49.0.dev0 with pull request #36094: only the saving rank renames its own directory.

Source: the main branch between #36094 (2025-02-07) and its revert #36112 (2025-02-10), never released; symptom in
hiyouga/LLaMA-Factory#6848. As #35580, but every other rank leaves its temporary directory without renaming it.

What it does not protect from:
- the files of all other ranks are deleted with their temporary directories, in every save: the checkpoint never holds
  more than the saving rank's files, and no rank raises;
- ``save_on_each_node`` on a directory that the nodes share: the races of #35580 among the first ranks of the nodes;
- temporary directories that a killed rank leaves; power loss, as in 4.35.
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


class OnlySavingRankRenames:
    """The protocol of #36094. ``save_on_each_node``: the first rank of each node writes, renames and rotates."""

    def __init__(self, save_on_each_node: bool = False) -> None:
        self.save_on_each_node = save_on_each_node

    def save(self, rank: StrategyRank, state: State, step: int) -> None:
        saving = should_save(rank, self.save_on_each_node)
        os.makedirs(rank.root, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=rank.root, prefix="tmp-checkpoint-") as staging:
            save_model(rank, state, Path(staging), saving)
            save_training_state(rank, state, Path(staging), saving)
            if saving and os.path.exists(staging):
                rename_over(staging, rank.root / f"checkpoint-{step}")
        if saving:
            rotate(rank.root, state.keep, state.best_step, by_time=False)

    def pick(self, rank: StrategyRank) -> Path | None:
        return last_checkpoint(rank.root)

    def load(self, rank: StrategyRank, checkpoint: Path) -> State:
        return load_files(rank, checkpoint)
