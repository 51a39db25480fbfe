"""What collectives take: rounds, and the bytes that each rank gets from the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulator.boundary import installed
from simulator.costs import cost_model
from simulator.engines.greenlets import greenlet_engine
from simulator.engines.programs import RankPrograms
from simulator.experiment import ROOT
from simulator.filesystems import PosixModel
from simulator.rank import Rank

MEGABYTE = bytes(1_000_000)


def taken(program: Callable[[Rank], Any], **figures: float) -> list[int]:
    """Nanoseconds until each of four ranks has ended."""
    costs = cost_model("lustre", {"collective_hop": 0.0, "nic": 1.0, **figures})
    with installed():
        engine = greenlet_engine(PosixModel(), RankPrograms((program,) * 4, 4, ROOT), costs=costs)
        begun = engine.times()
        engine.start()
        assert len(engine.endings) == 4
        ended = engine.times()
        engine.close()
    return [end - begin for begin, end in zip(begun, ended, strict=True)]


@pytest.mark.parametrize(
    ("program", "megabytes"),
    [
        (lambda rank: rank.gather(MEGABYTE, destination=1), [0, 3, 0, 0]),
        (lambda rank: rank.all_gather(MEGABYTE), [3, 3, 3, 3]),
        (lambda rank: rank.broadcast(MEGABYTE, source=2), [1, 1, 0, 1]),
        (lambda rank: rank.all_reduce_max(MEGABYTE), [1, 1, 1, 1]),
        (lambda rank: rank.barrier(), [0, 0, 0, 0]),
    ],
    ids=["gather", "all_gather", "broadcast", "all_reduce", "barrier"],
)
def test_each_rank_waits_for_the_bytes_that_others_send_it(
    program: Callable[[Rank], Any], megabytes: list[int]
) -> None:
    assert taken(program) == pytest.approx([size * 1e6 for size in megabytes], rel=0.001)
    assert taken(program, nic=10.0) == pytest.approx([size * 1e5 for size in megabytes], rel=0.001)


def test_without_costs_to_carry_them_bytes_take_nothing_and_rounds_do() -> None:
    program: Callable[[Rank], Any] = lambda rank: rank.gather(MEGABYTE)  # noqa: E731
    assert taken(program, nic=float("inf"), collective_hop=1e-6) == [2_000] * 4


def test_what_cannot_be_sent_anywhere_is_gathered_all_the_same() -> None:
    assert taken(lambda rank: rank.gather(lambda: None)) == [0, 0, 0, 0]
