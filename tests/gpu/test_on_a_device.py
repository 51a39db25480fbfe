"""The true shard of a 72B rank on a CUDA device: 27.5 GB at 32 ranks, 13.8 GB at 64."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.campaigns.accelerator import run_on_device
from simulator.campaigns.accelerator.bandwidth import overrides
from simulator.campaigns.accelerator.overlapping import overlap
from simulator.campaigns.accelerator.shard import DeviceShard, ShardShape, Snapshot, differing
from simulator.scenario import Cluster, StrategyChoice, Workload

pytestmark = pytest.mark.gpu


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [8, 4])
def test_the_true_shard_of_a_72b_rank_is_saved_timed_and_read_back(tmp_path: Path, nodes: int) -> None:
    workload = Workload(layout="trainer-zero3", model="qwen2.5-vl-72b")
    report = run_on_device(workload, Cluster(nodes, 8), StrategyChoice("staged-barrier"), directory=tmp_path)
    for measured in report.measured:
        print(f"{measured.name:32}{measured.size / 1e9:10.3f} GB{measured.seconds:10.3f} s{measured.rate:9.2f} GB/s")
    assert report.problems == []
    rates = {measured.name: measured.rate for measured in report.measured}
    assert rates["device to pinned memory"] <= rates["copy on the device"]
    assert overrides(report.measured)["d2h"] > 1.0
    assert report.overlapped[0].steps > 3


def test_training_on_the_device_does_not_reach_a_save_that_has_begun(tmp_path: Path) -> None:
    """Four times, on streams: steps are queued at once, and wait on the device for the copies and for nothing else."""
    shard = DeviceShard(ShardShape((100_000_000, 20_000_000)), "cuda")
    snapshot = Snapshot(shard)
    for version in range(1, 5):
        shard.fill(version)
        found = overlap(shard, snapshot, tmp_path / "saved.pt")
        assert (found.wrong, found.changed) == (0, found.chunks)


def test_a_snapshot_comes_back_before_its_copies_are_done() -> None:
    import torch

    shard = DeviceShard(ShardShape((500_000_000,)), "cuda")
    shard.fill(1)
    snapshot = Snapshot(shard)
    torch.cuda.synchronize()
    snapshot.begin()
    pending = not torch.cuda.current_stream().query()
    for tensor in shard.tensors:
        tensor.zero_()
    snapshot.wait()
    assert differing(snapshot.tensors, 1, "cuda") == 0
    assert pending, "the copies of 6 GB were over before anything else was queued"
