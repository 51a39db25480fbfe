"""DCP, FSDP and Megatron: names, commit order and sizes, by the published totals and by torch's own writer."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from simulator.errors import UsageError
from simulator.layouts import ModelShape, ShardSpec, layout, model_shape
from simulator.layouts.distributed import chunk_elements, dcp, shard_bytes, trainer_fsdp
from simulator.layouts.parameters import Parameter

MODEL = "qwen2.5-vl-72b"
ELEMENTS = 73_410_777_344
TOY = {"a.weight": (7, 5), "b.weight": (64, 33), "c.bias": (2,), "d.weight": (1000, 100)}
"""Of the first and the third, three ranks get unequal chunks, one of them nothing."""

RANKS = 3


def sharded(name: str, world_size: int, **options: str | int | bool) -> list[ShardSpec]:
    return layout(name, MODEL, False, options)(world_size)


@given(st.integers(1, 300), st.integers(1, 40))
def test_chunks_are_those_of_torch_and_leave_nothing_out(rows: int, world_size: int) -> None:
    import torch

    chunks = [chunk_elements((rows, 3), world_size, rank) for rank in range(world_size)]
    assert [chunk for chunk in chunks if chunk] == [t.numel() for t in torch.zeros(rows, 3).chunk(world_size)]
    assert sum(chunks) == 3 * rows


@pytest.mark.parametrize("world_size", [16, 32, 48, 64, 128])
def test_fsdp_writes_four_bytes_of_weights_and_eight_of_moments(world_size: int) -> None:
    specs = sharded("trainer-fsdp", world_size)
    weights = sum(spec.size for spec in specs if spec.role == "model")
    moments = sum(spec.size for spec in specs if spec.role == "optimizer")
    assert f"{4 * ELEMENTS / 1e9:.1f} {8 * ELEMENTS / 1e9:.1f}" == "293.6 587.3"
    assert weights == pytest.approx(4 * ELEMENTS, rel=0.002)
    assert moments == pytest.approx(8 * ELEMENTS, rel=0.002)
    assert len(specs) == 3 * world_size + 4
    assert not any(spec.name.endswith(".safetensors") for spec in specs)


def test_fsdp_is_a_checkpoint_of_the_model_then_one_of_the_optimizer_then_the_rest() -> None:
    specs = sharded("trainer-fsdp", 4)
    assert [spec.name for spec in specs if spec.writer == 0] == [
        "pytorch_model_fsdp_0/__0_0.distcp", "pytorch_model_fsdp_0/.metadata",
        "optimizer_0/__0_0.distcp", "optimizer_0/.metadata",
        "scheduler.pt", "rng_state_0.pth", "trainer_state.json",
    ]  # fmt: skip
    assert [spec.name for spec in specs if spec.writer == 3] == [
        "pytorch_model_fsdp_0/__3_0.distcp", "optimizer_0/__3_0.distcp", "rng_state_3.pth",
    ]  # fmt: skip


@pytest.mark.parametrize(("dtype", "width"), [("bfloat16", 2), ("float32", 4)])
def test_dcp_has_a_file_a_rank_and_the_metadata_last(dtype: str, width: int) -> None:
    specs = sharded("dcp", 32, dtype=dtype)
    assert specs[-1].name == ".metadata"
    assert [spec.name for spec in specs[:-1]] == [f"__{rank}_0.distcp" for rank in range(32)]
    for spec in specs[:-1]:
        assert spec.size == pytest.approx((width + 8) * ELEMENTS / 32, rel=0.002)


def test_the_metadata_of_a_72b_model_at_32_ranks_has_8_megabytes() -> None:
    metadata = next(spec for spec in sharded("trainer-fsdp", 32) if spec.name.endswith("_fsdp_0/.metadata"))
    assert metadata.size == pytest.approx(8e6, rel=0.05)


def test_dcp_with_two_threads_has_two_files_a_rank() -> None:
    one, two = sharded("dcp", 8), sharded("dcp", 8, threads=2)
    assert [spec.name for spec in two if spec.writer == 5] == ["__5_0.distcp", "__5_1.distcp"]
    assert sum(spec.size for spec in one) == sum(spec.size for spec in two)


def test_a_frozen_vision_tower_has_no_moments_but_is_saved() -> None:
    vision = 704_573_696
    whole = {spec.role: spec.size for spec in layout("trainer-fsdp", MODEL)(1)}
    part = {spec.role: spec.size for spec in layout("trainer-fsdp", MODEL, frozen=True)(1)}
    assert part["model"] == whole["model"]
    assert whole["optimizer"] - part["optimizer"] == pytest.approx(8 * vision, rel=0.001)


def test_megatron_writes_common_first_and_its_own_metadata_last() -> None:
    specs = sharded("megatron", 16, tensor=8)
    assert specs[0].name == "common.pt"
    assert [spec.name for spec in specs[-2:]] == [".metadata", "metadata.json"]
    assert [spec.name for spec in specs if spec.writer == 9] == ["__9_0.distcp", "__9_1.distcp"]
    assert sum(spec.size for spec in specs if spec.role == "sharded") == 14 * ELEMENTS


@pytest.mark.parametrize(
    ("name", "world_size", "options", "complaint"),
    [
        ("dcp", 2, {"dtype": "int4"}, "workload.options.dtype: must be one of"),
        ("dcp", 2, {"threads": 0}, "workload.options.threads: must be at least 1, is 0"),
        ("megatron", 12, {"tensor": 8}, "tensor and pipeline: 8 x 1 do not divide a job of 12 ranks"),
        ("megatron", 12, {"pipeline": 0}, "workload.options.pipeline: must be at least 1, is 0"),
    ],
)
def test_what_makes_no_sense_is_named(name: str, world_size: int, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError) as raised:
        sharded(name, world_size, **options)
    assert complaint in str(raised.value)


def write_with_torch(rank: int, port: int, directory: str) -> None:
    """A rank of a job that saves the toy model and its optimizer as FSDP does, each in a checkpoint of its own."""
    import torch
    import torch.distributed as dist
    import torch.distributed.checkpoint as checkpoint
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Shard, distribute_tensor

    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=RANKS)
    mesh = init_device_mesh("cpu", (RANKS,))
    model = {name: distribute_tensor(torch.zeros(shape), mesh, [Shard(0)]) for name, shape in TOY.items()}
    optimizer: dict[str, Any] = {}
    for name, weight in model.items():
        optimizer |= {f"{name}.exp_avg": weight.clone(), f"{name}.exp_avg_sq": weight.clone()}
        optimizer[f"{name}.step"] = torch.tensor(1.0)
    for part, state in (("pytorch_model_fsdp_0", model), ("optimizer_0", optimizer)):
        checkpoint.save({part: state}, storage_writer=checkpoint.FileSystemWriter(f"{directory}/{part}"))
    dist.destroy_process_group()


@pytest.mark.slow
def test_names_and_sizes_are_those_of_torchs_own_writer(tmp_path: Path) -> None:
    import torch.multiprocessing

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(write_with_torch, args=(port, str(tmp_path)), nprocs=RANKS)
    shape = ModelShape("toy", tuple(Parameter(name, size) for name, size in TOY.items()), "", str)
    generated = {spec.name: spec.size for spec in trainer_fsdp(RANKS, shape) if "/" in spec.name}
    written = {str(path.relative_to(tmp_path)): path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()}
    assert generated.keys() == written.keys()
    for name, size in written.items():
        if name.endswith(".distcp"):
            # Which rank writes which step counter (1.6 KB) follows from sizes, not from even parts.
            assert generated[name] == pytest.approx(size, abs=4_000)
    assert sum(generated.values()) == pytest.approx(sum(written.values()), rel=0.01)


def test_a_file_is_its_chunks_and_what_torch_save_adds_to_each() -> None:
    parameters = [Parameter(name, size) for name, size in TOY.items()]
    # As torch 2.13 wrote them: files of ranks 0 and 2 of three.
    assert shard_bytes(parameters, 3, 0, 4) == pytest.approx(142_756, abs=100)
    assert shard_bytes(parameters, 3, 2, 4) == pytest.approx(141_668, abs=100)


@pytest.mark.parametrize("world_size", [64, 1024])
def test_the_files_of_many_ranks_are_listed_at_once(world_size: int) -> None:
    assert len(dcp(world_size, model_shape(MODEL))) == world_size + 1
