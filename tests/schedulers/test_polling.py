"""No scheduler starves what a polling rank waits for."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

import simulator
from simulator.rank import Rank

SCHEDULERS = ["random", "sticky", "pct:1", "pct:2", "pct:3", "pos", "surw", "mixed"]
SCHEDULES = 100
MOST = 60 * SCHEDULES
"""Operations: undisturbed, a run of the longest program has 21."""


def counts_under_a_lock(rank: Rank) -> None:
    while True:
        try:
            handle = os.open(rank.root / "lock", os.O_CREAT | os.O_EXCL)
            break
        except FileExistsError:
            time.sleep(0.1)
    counter = rank.root / "counter"
    number = int(counter.read_text()) if counter.exists() else 0
    counter.write_text(str(number + 1))
    os.close(handle)
    os.unlink(rank.root / "lock")


def waits_for_a_marker(rank: Rank) -> None:
    if rank.index == 0:
        for number in range(5):
            (rank.root / f"part-{number}").write_text("x")
        (rank.root / "ready").touch()
    else:
        deadline = time.time() + 600
        while not (rank.root / "ready").exists():
            assert time.time() < deadline
            time.sleep(0.5)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("program", [counts_under_a_lock, waits_for_a_marker])
def test_a_rank_that_polls_gives_way(program: Callable[[Rank], Any], scheduler: str) -> None:
    result = simulator.explore(program, schedules=SCHEDULES, scheduler=scheduler, seed=0)
    assert result.verdict == "clean", result
    assert result.operations < MOST
