"""What comes after an attempt of the job, and where ranks die in it, whatever is judged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.rank import Rank


def second_attempt_races(rank: Rank) -> None:
    """Only in the second attempt can rank 1 find its own mark without that of rank 0."""
    mine, again = rank.root / f"{rank.index}", rank.root / f"again{rank.index}"
    if not mine.exists():
        os.mkdir(mine)
        return
    if rank.index == 1 and not (rank.root / "again0").exists():
        raise RuntimeError("rank 0 has not come")
    os.mkdir(again)


@pytest.mark.parametrize(
    "invariants", [(), ("no-error",), (simulator.at_end(lambda world: None),)], ids=["all", "no-error", "at the end"]
)
def test_the_next_attempt_is_explored_whatever_is_judged(invariants: Sequence[Any]) -> None:
    assert simulator.certify(second_attempt_races, nodes=2, invariants=invariants).verdict == "certified"
    result = simulator.certify(second_attempt_races, nodes=2, invariants=invariants, restarts=1)
    assert result.failure is not None
    assert "rank 0 has not come" in result.failure.error


def test_times_that_only_the_next_attempt_compares_order_what_the_first_one_does() -> None:
    def program(rank: Rank) -> None:
        directories = [rank.root / f"{number}" for number in range(2)]
        if not directories[rank.index].exists():
            os.mkdir(directories[rank.index])
        elif rank.index == 0 and os.path.getmtime(directories[0]) > os.path.getmtime(directories[1]):
            raise RuntimeError("rank 0 was later")

    result = simulator.certify(program, nodes=2, restarts=1)
    assert result.failure is not None
    assert "rank 0 was later" in result.failure.error


def half_done(world: Any) -> str | None:
    return "half done" if len(os.listdir(world.root)) == 2 else None


def makes_and_removes(rank: Rank) -> None:
    os.mkdir(rank.root / f"{rank.index}")
    os.rmdir(rank.root / f"{rank.index}")


@pytest.mark.parametrize("faults", [simulator.Faults(kills=1), simulator.Faults(node_kills=1)], ids=["rank", "node"])
def test_what_holds_at_the_end_is_judged_where_a_rank_dies(faults: simulator.Faults) -> None:
    invariants = [simulator.at_end(half_done)]
    assert simulator.certify(makes_and_removes, nodes=2, invariants=invariants).verdict == "certified"
    result = simulator.certify(makes_and_removes, nodes=2, invariants=invariants, faults=faults)
    assert result.failure is not None
    assert result.failure.invariant == "half_done"
    assert simulator.replay(result.failure.trace).digest == result.failure.trace.digest


def saves_and_moves(rank: Rank) -> None:
    checkpoint = rank.root / "checkpoint-1"
    if rank.index == 0:
        checkpoint.mkdir()
        (checkpoint / "model").write_text("1")
    rank.barrier()
    rank.saved(1)
    if rank.index == 0:
        os.rename(checkpoint, rank.root / "moved")
        os.rename(rank.root / "moved", checkpoint)
    else:
        os.mkdir(rank.root / "other")


def pick(root: Path) -> Path | None:
    checkpoint = root / "checkpoint-1"
    return checkpoint if checkpoint.exists() else None


def test_what_a_restart_finds_is_judged_where_a_rank_dies_also_if_the_job_does_not() -> None:
    alive = simulator.certify(saves_and_moves, nodes=2, pick=pick, faults=simulator.Faults(job_death=False))
    assert alive.verdict == "certified"
    dying = simulator.Faults(kills=1, job_death=False)
    result = simulator.certify(saves_and_moves, nodes=2, pick=pick, faults=dying)
    assert result.failure is not None
    assert result.failure.trace.attempts[0].faults
