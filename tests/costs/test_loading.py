"""What reading a checkpoint back takes."""

from __future__ import annotations

import math

import pytest

from simulator.costs import cost_model
from simulator.costs.timeline import bytes_read, load_seconds
from simulator.layouts import ShardSpec, layout

SHARED = ShardSpec("model", "model", 0, 800)
OWN = [ShardSpec(f"shard_{rank}", "optimizer", rank, 100 + rank, (rank,)) for rank in range(4)]


def test_a_rank_fetches_its_own_files_and_its_part_of_what_its_node_needs() -> None:
    assert bytes_read([SHARED, *OWN], 4, 2) == [500, 501, 502, 503]
    assert bytes_read([ShardSpec("unread", "model", 0, 10**9, ())], 4, 2) == [0, 0, 0, 0]


@pytest.mark.parametrize("world_size", [32, 64])
def test_a_72b_job_resumes_as_fast_as_its_nodes_read(world_size: int) -> None:
    model = cost_model("superpod-good", {"node_read": 4.0, "total_read": math.inf})
    sizes = bytes_read(layout("trainer-zero3", "qwen2.5-vl-72b")(world_size), world_size, 8)
    assert load_seconds(model, sizes, 8) == pytest.approx(880.9 / (world_size // 8) / 4.0, rel=0.02)


def test_the_network_card_and_the_process_limit_reading_too() -> None:
    ten = [10 * 10**9]
    assert load_seconds(cost_model("local", {"nic": 0.5}), ten, 1) == pytest.approx(20, rel=0.001)
    assert load_seconds(cost_model("local", {"read_stream": 2.0}), ten, 1) == pytest.approx(5, rel=0.001)
    assert load_seconds(cost_model("local"), [0, 0], 1) < 0.001
