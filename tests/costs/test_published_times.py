"""The times of a 72B save under ZeRO-3 that follow from sizes and bandwidths, within 2 %."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest

from simulator.clock import SECOND
from simulator.costs import CostModel, Timeline, cost_model
from simulator.layouts import ShardSpec, layout
from simulator.operations import Close, Extent, Open, Write

RANKS_PER_NODE = 8
CREATE = 0o101


def phase(model: CostModel, files: Mapping[int, list[ShardSpec]]) -> float:
    """Seconds until every rank has opened, written and closed its files, all starting together."""
    timeline = Timeline(model, RANKS_PER_NODE)
    work = {
        rank: [
            operation
            for spec in specs
            for operation in (Open(spec.name, CREATE), Write(1 << 30, Extent(spec.size)), Close(1 << 30))
        ]
        for rank, specs in files.items()
        if specs
    }
    for rank, operations in work.items():
        timeline.begin(rank, rank, operations[0], 0)
    while (found := timeline.next_completion()) is not None:
        rank, moment = found
        assert timeline.finish(rank) == moment
        operation = work[rank].pop(0)
        timeline.performed(rank, operation, 1 << 30 if isinstance(operation, Open) else None)
        if work[rank]:
            timeline.begin(rank, rank, work[rank][0], moment)
    return timeline.now / SECOND


def save(model: CostModel, world_size: int) -> tuple[float, float]:
    specs = layout("trainer-zero3", "qwen2.5-vl-72b", options={"transformers": 4})(world_size)
    weights = phase(model, {0: [spec for spec in specs if spec.role == "model"]})
    optimizer = phase(
        model, {rank: [s for s in specs if s.role == "optimizer" and s.writer == rank] for rank in range(world_size)}
    )
    return weights, optimizer


def per_node(rate: float) -> CostModel:
    return cost_model("superpod-good", {"node_write": rate, "total_write": math.inf})


@pytest.mark.parametrize(
    ("model", "world_size", "optimizer", "total"),
    [
        (cost_model("nfs"), 32, 881, 1175),
        (cost_model("nfs"), 64, 881, 1175),
        (per_node(2.0), 32, 110, 404),
        (per_node(2.0), 64, 55, 349),
        (per_node(4.0), 32, 55, 349),
        (per_node(4.0), 64, 28, 321),
        (per_node(20.0), 32, 46, 340),
        (per_node(20.0), 64, 23, 317),
    ],
)
def test_a_save_takes_what_the_bandwidths_imply(model: CostModel, world_size: int, optimizer: int, total: int) -> None:
    weights, states = save(model, world_size)
    assert weights == pytest.approx(294, rel=0.02)
    assert states == pytest.approx(optimizer, rel=0.02)
    assert weights + states == pytest.approx(total, rel=0.02)


def test_the_writer_that_crosses_the_collective_time_out() -> None:
    slow = cost_model("superpod-best", {"safetensors_stream": 0.24})
    assert save(slow, 32)[0] > 600


def test_a_scalable_unit_of_storage_limits_many_nodes() -> None:
    _, states = save(cost_model("superpod-good"), 64)
    assert states == pytest.approx(880.9 / 7.0, rel=0.02)
