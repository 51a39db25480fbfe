"""Hugging Face transformers 5.23: direct write; a barrier before the best is tested; the newest and the best are kept.

Source: transformers 4.57 to 5.23 as released, pull request #40923. As 4.52, but where there is a best step, a barrier
comes after the model was saved and before the test. Rotation deletes the oldest by modification time (by number where
all times lie within one second), and never the best nor the one that it takes for the newest.

What it does not protect from:
- a rank or the job that dies at any moment leaves a partial ``checkpoint-N``, and ``pick`` takes it;
- the saving rank may delete the last whole checkpoint before the other ranks have written their files of the new one;
- the newest is what the modification times say, and a deletion that was interrupted stays, half done;
- power loss: nothing is synced. The further rotation at the end of training is not part of this strategy.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from strategies.trainer.files import load_files, save_model, save_training_state, should_save
from strategies.trainer.resume import last_checkpoint
from strategies.trainer.rotation import oldest_first

if TYPE_CHECKING:
    from simulator.state import State, StrategyRank


class DirectWriteKeepsNewestAndBest:
    """The protocol of 5.23. ``save_on_each_node``: the first rank of each node writes and rotates."""

    def __init__(self, save_on_each_node: bool = False) -> None:
        self.save_on_each_node = save_on_each_node

    def save(self, rank: StrategyRank, state: State, step: int) -> None:
        saving = should_save(rank, self.save_on_each_node)
        directory = rank.root / f"checkpoint-{step}"
        save_model(rank, state, directory, saving)
        best = None
        if state.best_step is not None:
            rank.barrier()
            if os.path.exists(rank.root / f"checkpoint-{state.best_step}"):
                best = f"checkpoint-{state.best_step}"
        save_training_state(rank, state, directory, saving)
        if saving and state.keep is not None and state.keep > 0:
            self._rotate(rank.root, state.keep, best)

    def _rotate(self, root: Path, keep: int, best: str | None) -> None:
        names = oldest_first(root, by_time=True, least_spread=1.0)
        if len(names) <= keep:
            return
        protected = {best, names[-1]} if best in names else {names[-1]}
        unprotected = [name for name in names if name not in protected]
        for name in unprotected[: len(names) - max(keep, len(protected))]:
            shutil.rmtree(root / name, ignore_errors=True)

    def pick(self, rank: StrategyRank) -> Path | None:
        return last_checkpoint(rank.root)

    def load(self, rank: StrategyRank, checkpoint: Path) -> State:
        return load_files(rank, checkpoint)
