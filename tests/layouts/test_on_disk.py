"""What a directory on disk lacks of a checkpoint, and whether the library that wrote it resumes all the same."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp

from simulator.layouts.on_disk import checkpoint_at, is_whole

RANKS = 2
HEADER = json.dumps({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
MODEL = len(HEADER).to_bytes(8, "little") + HEADER + b"w"
METADATA = b"\x80\x02X\x0c\x00\x00\x00__0_0.distcpq\x01X\x0c\x00\x00\x00__1_0.distcpq\x02."
STATE = {"trainer_state.json": b"{}", "scheduler.pt": b"s", "rng_state_0.pth": b"r", "rng_state_1.pth": b"r"}
SHARDS = {".metadata": METADATA, "__0_0.distcp": b"0", "__1_0.distcp": b"1"}
ZERO = {
    "latest": b"global_step1\n",
    "global_step1/mp_rank_00_model_states.pt": b"m",
    "global_step1/bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt": b"o",
    "global_step1/bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt": b"o",
}


def below(name: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{name}/{file}": content for file, content in files.items()}


LAYOUTS: dict[str, tuple[dict[str, bytes], set[str]]] = {
    "trainer": (
        {**STATE, "model.safetensors": MODEL, "optimizer.pt": b"o"},
        {"rng_state_0.pth", "rng_state_1.pth"},
    ),
    "trainer with peft": (
        {**STATE, "adapter_config.json": b"{}", "adapter_model.safetensors": MODEL, "optimizer.pt": b"o"},
        {"rng_state_0.pth", "rng_state_1.pth"},
    ),
    "trainer with deepspeed": ({**STATE, "model.safetensors": MODEL, **ZERO}, {"rng_state_0.pth", "rng_state_1.pth"}),
    "trainer with fsdp": (
        {**STATE, **below("pytorch_model_fsdp_0", SHARDS), **below("optimizer_0", SHARDS)},
        {"rng_state_0.pth", "rng_state_1.pth"},
    ),
    "accelerate": (
        {"model.safetensors": MODEL, "random_states_0.pkl": b"r", "random_states_1.pkl": b"r"},
        {"random_states_0.pkl", "random_states_1.pkl"},
    ),
    "deepspeed": (ZERO, set()),
    "dcp": (SHARDS, set()),
    "megatron": (
        {"latest_checkpointed_iteration.txt": b"10", **below("iter_0000010", {**SHARDS, "metadata.json": b"{}"})},
        {"iter_0000010/metadata.json"},
    ),
    "orbax": ({"_CHECKPOINT_METADATA": b"{}", "default/_METADATA": b"{}", "default/manifest.ocdbt": b"m"}, set()),
}
"""The files of a whole checkpoint of each, and those without which it is no longer exactly resumed, but resumed."""
UNNOTICED = {
    ("trainer", "scheduler.pt"), ("trainer with peft", "scheduler.pt"), ("trainer with deepspeed", "scheduler.pt"),
    ("trainer with fsdp", "scheduler.pt"), ("trainer", "optimizer.pt"),
    ("trainer with peft", "optimizer.pt"),
    ("megatron", "iter_0000010/metadata.json"), ("orbax", "default/_METADATA"),
    ("orbax", "default/manifest.ocdbt"), ("trainer with peft", "adapter_config.json"),
    ("trainer with deepspeed", "model.safetensors"),
}  # fmt: skip
"""What nothing in the checkpoint asks for: only its history tells that it was there. DeepSpeed resumes from its own."""


def made(place: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return place


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_whole_checkpoint_is_whole_and_each_file_that_goes_is_named(tmp_path: Path, layout: str) -> None:
    files, tolerated = LAYOUTS[layout]
    assert is_whole(made(tmp_path / "all", files), RANKS)
    for name in files:
        if (layout, name) in UNNOTICED:
            continue
        place = made(tmp_path / "one", files)
        (place / name).unlink()
        found = checkpoint_at(place, RANKS)
        if found is not None and found.layout == checkpoint_at(tmp_path / "all", RANKS).layout:  # type: ignore[union-attr]
            assert name in {lack.name for lack in found.lacks}, found
            assert found.state == ("degraded" if name in tolerated else "lost"), name
        shutil.rmtree(place)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_empty_file_is_never_taken_for_a_whole_one(tmp_path: Path, layout: str) -> None:
    files, _ = LAYOUTS[layout]
    for name in files:
        if ((layout, name) in UNNOTICED and name != "scheduler.pt") or name.startswith("random_st"):
            continue
        place = made(tmp_path / "one", {**files, name: b""})
        found = checkpoint_at(place, RANKS)
        assert found is not None, name
        assert found.state == "lost", name
        assert any(lack.overwritten for lack in found.lacks) or name == ".metadata", found
        shutil.rmtree(place)


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_what_torch_writes_names_its_files(tmp_path: Path) -> None:
    dcp.save({"a": torch.ones(3), "b": torch.zeros(2)}, checkpoint_id=tmp_path / "step", no_dist=True)
    assert is_whole(tmp_path / "step", 1)
    # No other rank is asked for: what was written is what the metadata says.
    assert is_whole(tmp_path / "step", 4)
    [shard] = (tmp_path / "step").glob("*.distcp")
    shard.unlink()
    found = checkpoint_at(tmp_path / "step", 1)
    assert found is not None
    assert [str(lack) for lack in found.lacks] == [f"{shard.name} is missing"]


def test_model_parallel_ranks_share_the_data_parallel_ones(tmp_path: Path) -> None:
    shares = {f"global_step1/zero_pp_rank_{d}_mp_rank_{m:02}_optim_states.pt": b"o" for d in range(2) for m in range(2)}
    files = {"latest": b"global_step1", "global_step1/mp_rank_00_model_states.pt": b"m", **shares}
    place = made(tmp_path, files)
    assert is_whole(place, 4)
    assert not is_whole(place, 8)


def test_a_file_of_lightning_is_a_checkpoint_by_itself(tmp_path: Path) -> None:
    torch.save({"state_dict": {"w": torch.ones(2)}}, tmp_path / "epoch=0.ckpt")
    assert is_whole(tmp_path / "epoch=0.ckpt", 2)
    content = (tmp_path / "epoch=0.ckpt").read_bytes()
    (tmp_path / "torn.ckpt").write_bytes(content[: len(content) // 2])
    assert not is_whole(tmp_path / "torn.ckpt", 2)
