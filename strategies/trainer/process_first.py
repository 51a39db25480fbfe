"""Trainer's way to let one rank go first: the others wait in a barrier that the first enters when it is through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.state import StrategyRank


@contextmanager
def main_process_first(rank: StrategyRank, local: bool) -> Iterator[None]:
    """Rank 0 goes first or, if ``local``, the first rank of each node; the barrier is one of all ranks either way."""
    main = (rank.local_index if local else rank.index) == 0
    if not main:
        rank.barrier()
    try:
        yield
    finally:
        if main:
            rank.barrier()
