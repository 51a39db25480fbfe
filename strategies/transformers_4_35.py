"""Hugging Face transformers 4.35: every rank writes straight into ``checkpoint-N``; rotation by modification time.

Source: transformers 4.35.2 as released. There is no commit point and no barrier. The rank that saves makes the
directory and writes model, optimizer and scheduler; every rank makes the directory if need be and adds its
random-number state; the saving rank writes the trainer state and deletes old checkpoints.

What it does not protect from:
- a rank or the job that dies at any moment leaves a partial ``checkpoint-N``, and ``pick`` takes it;
- the saving rank may delete the last whole checkpoint before the other ranks have written their files of the new one;
- modification times may tell old from new wrongly (#26961), and a deletion that was interrupted stays, half done;
- power loss: nothing is synced.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from strategies.trainer.files import load_files, save_model, save_training_state, should_save
from strategies.trainer.resume import last_checkpoint
from strategies.trainer.rotation import rotate

if TYPE_CHECKING:
    from simulator.state import State, StrategyRank


class DirectWrite:
    """The protocol of 4.35. ``save_on_each_node``: the first rank of each node writes and rotates, not only rank 0."""

    def __init__(self, save_on_each_node: bool = False) -> None:
        self.save_on_each_node = save_on_each_node

    def save(self, rank: StrategyRank, state: State, step: int) -> None:
        saving = should_save(rank, self.save_on_each_node)
        directory = rank.root / f"checkpoint-{step}"
        save_model(rank, state, directory, saving)
        save_training_state(rank, state, directory, saving)
        if saving:
            rotate(rank.root, state.keep, state.best_step, by_time=True)

    def pick(self, rank: StrategyRank) -> Path | None:
        return last_checkpoint(rank.root)

    def load(self, rank: StrategyRank, checkpoint: Path) -> State:
        return load_files(rank, checkpoint)
