"""What a shard needs of a machine is known before anything is allocated."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator import memory
from simulator.campaigns.accelerator import shard
from simulator.campaigns.accelerator.shard import ShardShape, check_room, host_bytes
from simulator.errors import CannotDo


def test_pinned_memory_is_rounded_up_tensor_by_tensor() -> None:
    shape = ShardShape((1 << 20, (1 << 20) + 1))
    assert shape.size == 12 * ((1 << 21) + 1)
    assert host_bytes(shape, "cuda") == 3 * ((1 << 22) + (1 << 23)) + shape.size
    assert host_bytes(shape, "cpu") == 3 * shape.size


def test_the_shard_of_a_72b_job_on_32_ranks_fits_into_64_gb_of_host_memory() -> None:
    assert host_bytes(ShardShape((10**9, 10**9, 294_086_793)), "cuda") == 3 * (2 * 2**32 + 2**31) + 27_529_041_516


def test_too_little_host_memory_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "available_memory", lambda: 10**9)
    words = r"host memory: 1\.0 GB are available, a shard of 1\.2 GB needs 2\.8 GB; with more ranks it is smaller"
    with pytest.raises(CannotDo, match=words):
        check_room(tmp_path, ShardShape((10**8,)), "cuda:0")
    check_room(tmp_path, ShardShape((10**6,)), "cuda:0")


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, used = tmp_path / "memory.max", tmp_path / "memory.current"
    monkeypatch.setattr(memory, "_LIMIT", limit)
    monkeypatch.setattr(memory, "_USED", used)
    limit.write_text("max\n")
    used.write_text("4096\n")
    free = memory.available_memory()
    assert free is not None
    assert free > 12288
    limit.write_text("16384\n")
    assert memory.available_memory() == 12288
    monkeypatch.setattr(memory, "_MEMORY", tmp_path / "absent")
    limit.unlink()
    assert memory.available_memory() is None
