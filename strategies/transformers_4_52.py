"""Hugging Face transformers 4.52: direct write; every rank tests for the best checkpoint; rotation by time again.

Source: transformers 4.52 to 4.56 as released, pull requests #35885 and #37260. As 4.35, but each rank tests right
after the model was saved whether the directory of the best checkpoint exists, and takes it for the best only then.
Rotation goes by modification time, or by number where all times lie within one second.

What it does not protect from:
- everything that 4.35 does not protect from; false modification times are noticed only where they nearly agree;
- a rank that tests before rank 0 has made the directory: it does not learn of the best checkpoint (#40923), and at the
  end of training the ranks disagree whether to load it. That end of training is not part of this strategy.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from strategies.trainer.files import load_files, save_model, save_training_state, should_save
from strategies.trainer.resume import last_checkpoint
from strategies.trainer.rotation import rotate

if TYPE_CHECKING:
    from simulator.state import State, StrategyRank


class DirectWriteTestsForBest:
    """The protocol of 4.52. ``save_on_each_node``: the first rank of each node writes and rotates."""

    def __init__(self, save_on_each_node: bool = False) -> None:
        self.save_on_each_node = save_on_each_node

    def save(self, rank: StrategyRank, state: State, step: int) -> None:
        saving = should_save(rank, self.save_on_each_node)
        directory = rank.root / f"checkpoint-{step}"
        save_model(rank, state, directory, saving)
        best = state.best_step
        if best is not None and not os.path.exists(rank.root / f"checkpoint-{best}"):
            best = None
        save_training_state(rank, state, directory, saving)
        if saving:
            rotate(rank.root, state.keep, best, by_time=True, least_spread=1.0)

    def pick(self, rank: StrategyRank) -> Path | None:
        return last_checkpoint(rank.root)

    def load(self, rank: StrategyRank, checkpoint: Path) -> State:
        return load_files(rank, checkpoint)
