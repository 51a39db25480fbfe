"""Everything about shards, snapshots, saves and calibration that a processor can show at toy size."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import torch
from hypothesis import given, strategies as st

from simulator.campaigns.accelerator import DeviceReport, run_on_device
from simulator.campaigns.accelerator.bandwidth import Measured, as_toml, overrides, read_back
from simulator.campaigns.accelerator.overlapping import overlap
from simulator.campaigns.accelerator.saving import save_with_strategy
from simulator.campaigns.accelerator.shard import (
    DeviceShard,
    ShardShape,
    Snapshot,
    chunks_in,
    differing,
    expected,
    shard_shape,
    tensors_of,
)
from simulator.costs import cost_model
from simulator.errors import CannotDo, UsageError
from simulator.layouts import model_shape
from simulator.layouts.deepspeed import zero3_rank_bytes
from simulator.scenario import Cluster, StrategyChoice, Workload, load
from tests.gpu.jobs import toy_model

REMEDY = StrategyChoice("staged-barrier")
SMALL = ShardShape((1000, 300))


def shard(version: int = 1) -> DeviceShard:
    made = DeviceShard(SMALL, "cpu")
    made.fill(version)
    return made


@pytest.mark.parametrize(("world_size", "gigabytes"), [(16, "55.1"), (32, "27.5"), (64, "13.8")])
def test_the_shard_of_a_72b_rank_has_its_true_size(world_size: int, gigabytes: str) -> None:
    model = model_shape("qwen2.5-vl-72b")
    shape = shard_shape(model, world_size, frozen=False)
    assert f"{shape.size / 1e9:.1f}" == gigabytes
    assert shape.size == zero3_rank_bytes(model, world_size, frozen=False)[0]


def test_at_32_ranks_there_are_the_three_sub_groups_of_deepspeed() -> None:
    shape = shard_shape(model_shape("qwen2.5-vl-72b"), 32, frozen=False)
    assert shape.groups == (10**9, 10**9, 294_086_792)


@given(st.integers(0, 8), st.integers(0, 10**6), st.integers(0, 2**31))
def test_neighbours_tensors_and_versions_all_differ(number: int, version: int, start: int) -> None:
    here = expected(number, version, start, start + 2, "cpu")
    assert here[0] != here[1]
    assert not torch.equal(here, expected(number + 1, version, start, start + 2, "cpu"))
    assert not torch.equal(here, expected(number, version + 1, start, start + 2, "cpu"))


def test_a_single_element_that_is_wrong_is_found() -> None:
    made = shard()
    assert differing(made.tensors, 1, "cpu") == 0
    assert differing(made.tensors, 2, "cpu") == chunks_in(SMALL) == 6
    made.tensors[4][299] += 1
    assert differing(made.tensors, 1, "cpu") == 1


def test_a_state_is_taken_apart_as_it_was_put_together() -> None:
    made = shard()
    assert all(a is b for a, b in zip(tensors_of(made.state(made.tensors)), made.tensors, strict=True))


def test_a_snapshot_keeps_what_was_there_when_it_began(tmp_path: Path) -> None:
    made = shard()
    snapshot = Snapshot(made)
    snapshot.begin()
    made.fill(2)
    snapshot.wait()
    torch.save(made.state(snapshot.tensors), tmp_path / "saved.pt")
    assert differing(read_back(tmp_path / "saved.pt"), 1, "cpu") == 0


def test_an_asynchronous_save_holds_the_step_at_which_it_began(tmp_path: Path) -> None:
    made = shard()
    found = overlap(made, Snapshot(made), tmp_path / "saved.pt")
    assert (found.wrong, found.changed, found.chunks) == (0, 6, 6)
    assert found.steps >= 3


def test_without_the_copy_the_same_save_is_seen_to_be_wrong(tmp_path: Path) -> None:
    made = shard()
    snapshot = Snapshot(made)
    assert overlap(made, snapshot, tmp_path / "saved.pt", ordered=False).wrong == 6
    made.fill(5)
    assert overlap(made, snapshot, tmp_path / "again.pt").wrong == 0


@pytest.mark.parametrize("strategy", ["staged-barrier", "manifest", "transformers-5.23"])
@pytest.mark.parametrize("rank", [0, 3])
def test_a_strategy_saves_the_real_shard_beside_simulated_ranks(tmp_path: Path, strategy: str, rank: int) -> None:
    workload = Workload(layout="trainer-zero3", model=toy_model(tmp_path))
    made = shard(7)
    snapshot = Snapshot(made)
    snapshot.begin()
    root = tmp_path / "root"
    root.mkdir()
    saved = save_with_strategy(StrategyChoice(strategy), workload, Cluster(2, 2), rank, made, snapshot, root)
    assert (saved.wrong, saved.simulated) == (0, 3)
    assert saved.path == f"checkpoint-1/global_step1/bf16_zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
    assert saved.size > SMALL.size
    others = [path for path in root.rglob("bf16_zero_pp_rank_*") if f"rank_{rank}_" not in path.name]
    assert len(others) == 3
    assert {path.stat().st_size for path in others} != {saved.size}


def test_a_strategy_that_raises_is_no_figure(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(
        "class Broken:\n"
        "    def save(self, rank, state, step): raise OSError(28, 'No space left on device')\n"
        "    def pick(self, rank): return None\n"
    )
    made = shard()
    root = tmp_path / "root"
    root.mkdir()
    workload = Workload(layout="trainer-zero3", model=toy_model(tmp_path))
    with pytest.raises(CannotDo, match=r"rank 0 raised OSError: \[Errno 28\] No space left"):
        save_with_strategy(StrategyChoice(f"{file}:Broken"), workload, Cluster(1, 2), 0, made, Snapshot(made), root)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> DeviceReport:
    place = tmp_path_factory.mktemp("gpu")
    said: list[str] = []
    model = toy_model(place)
    workload = Workload(layout="trainer-zero3", model=model)
    found = run_on_device(workload, Cluster(1, 2), REMEDY, device="cpu", directory=place, told=said.append)
    assert said[-1].endswith("the control")
    assert [path.name for path in place.iterdir()] == ["config.json"]
    return found


def test_everything_is_done_in_one_run(report: DeviceReport) -> None:
    assert report.problems == []
    assert report.size == 12 * 232_608 / 2
    assert report.saved.wrong == 0
    assert [each.ordered for each in report.overlapped] == [True, False]
    assert report.overlapped[1].wrong == report.overlapped[1].chunks
    names = [measured.name for measured in report.measured]
    assert "plain write(2), synced" in names
    assert not any("device" in name for name in names), "there is none"


def test_every_yardstick_was_measured_in_the_same_run(report: DeviceReport) -> None:
    names = {measured.name for measured in report.measured}
    assert {measured.yardstick for measured in report.measured} - {None} <= names


def test_the_figures_are_read_as_a_cost_profile(report: DeviceReport, tmp_path: Path) -> None:
    path = tmp_path / "measured.toml"
    path.write_text(as_toml(report.measured, report.device), encoding="utf-8")
    costs = load(path).costs
    assert costs.profile == "local"
    assert set(costs.overrides) == {
        "torch_stream", "safetensors_stream", "write_stream", "read_stream", "node_write", "fsync",
    }  # fmt: skip
    model = cost_model("local", costs.overrides)
    assert model.torch_stream == pytest.approx(overrides(report.measured)["torch_stream"], rel=1e-4)
    assert model.d2h == cost_model("local").d2h


def test_a_device_gives_its_copy_to_the_host_too() -> None:
    measured = [Measured("device to pinned memory", 27_529_041_504, 0.52), Measured("plain write(2), synced", 10, 0.0)]
    table = tomllib.loads(as_toml(measured, "a device"))
    assert table["costs"]["overrides"] == {"d2h": pytest.approx(52.94, rel=0.001)}


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"device": "tpu"}, UsageError, "device: must be cuda, cuda:N or cpu, is 'tpu'"),
        ({"rank": 2}, UsageError, "rank: must be from 0 to 1, is 2"),
        ({"directory": Path("/nowhere")}, UsageError, "/nowhere: no such directory"),
        ({"workload": Workload(layout="zero")}, UsageError, "must be trainer-zero3"),
    ],
)
def test_what_makes_no_sense_is_named(
    tmp_path: Path, changes: dict[str, object], error: type[Exception], complaint: str
) -> None:
    workload = Workload(layout="trainer-zero3", model=toy_model(tmp_path))
    arguments = {"workload": workload, "cluster": Cluster(1, 2), "strategy": REMEDY, "device": "cpu", **changes}
    with pytest.raises(error, match=complaint):
        run_on_device(**arguments)  # type: ignore[arg-type]


def test_a_shard_that_the_disk_cannot_hold_is_refused_before_anything_is_allocated() -> None:
    with pytest.raises(CannotDo, match=r"are free, a shard of 440\.5 GB needs more"):
        run_on_device(
            Workload(layout="trainer-zero3", model="qwen2.5-vl-72b"), Cluster(1, 2), REMEDY, device="cpu",
            directory=Path("/dev/shm"),
        )  # fmt: skip
