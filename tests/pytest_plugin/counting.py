"""A save without a race that counts how often it is called."""

from __future__ import annotations

import os

from simulator.rank import Rank

calls = [0]


def save(rank: Rank) -> None:
    """Some forty operations on two ranks."""
    calls[0] += 1
    for step in (1, 2):
        staging = rank.root / f"tmp-checkpoint-{step}"
        os.makedirs(staging, exist_ok=True)
        (staging / f"rank-{rank.index}.bin").write_bytes(b"state")
        rank.barrier()
        if rank.index == 0:
            os.rename(staging, rank.root / f"checkpoint-{step}")
        rank.barrier()


def counted() -> int:
    """The number of calls since this was last asked."""
    count, calls[0] = calls[0], 0
    return count


RACE_TEST = """
    import pytest
    from tests.pytest_plugin import counting

    @pytest.mark.checkpoint_race(nodes=2, schedules={schedules}, seed=1)
    def test_save(rank):
        counting.save(rank)
"""
