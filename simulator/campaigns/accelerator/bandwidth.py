"""How fast one process moves its shard: on the device, to the host, through a serialiser, to the disk and back.

Each figure is measured once, over the whole shard, in the same run as its yardstick: a copy on the device, plain
write(2) to the same disk.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from simulator.campaigns.accelerator.shard import DeviceShard, Snapshot, tensors_of

_PIECE = 64 << 20
"""Bytes of one plain write or read."""

_SMALL = 4096


class Measured(msgspec.Struct, frozen=True):
    """``name`` says what was done, with ``size`` bytes in ``seconds``. ``yardstick`` names what it is compared with."""

    name: str
    size: int
    seconds: float
    yardstick: str | None = None

    @property
    def rate(self) -> float:
        """GB/s, of 1e9 bytes."""
        return self.size / self.seconds / 1e9 if self.seconds > 0 else 0.0


class Bench:
    """Measures one shard. ``directory`` is on the disk that is measured; what is written there is removed again."""

    def __init__(self, shard: DeviceShard, snapshot: Snapshot, directory: Path) -> None:
        self._shard = shard
        self._snapshot = snapshot
        self._directory = directory
        self.found: list[Measured] = []

    def device(self) -> None:
        """Copies on the device and from it; nothing where the shard lies in host memory already."""
        import torch

        shard = self._shard
        if shard.device == "cpu":
            return
        largest = max(shard.tensors, key=len)
        with suppress(torch.OutOfMemoryError):
            largest.clone()  # The first copy pays for what is set up once.
            self._measure("copy on the device", largest.nbytes, largest.clone)
        self._snapshot.begin()
        self._snapshot.wait()
        self._measure("device to pinned memory", shard.shape.size, self._copy, "copy on the device")
        smallest = min(shard.tensors, key=len)
        self._measure("device to pageable memory", smallest.nbytes, smallest.cpu, "device to pinned memory")

    def serialisers(self) -> None:
        """torch.save and safetensors: into nothing, from host memory; then from the device to the disk, and synced."""
        import safetensors.torch
        import torch

        shard = self._shard
        state, size = shard.state(self._snapshot.tensors), shard.shape.size
        self._measure("torch.save into nothing", size, lambda: torch.save(state, _Nothing()))
        path = self._directory / "optim_states.pt"
        self._to_disk("torch.save", path, lambda: torch.save(shard.state(shard.tensors), path))
        named = {f"tensor_{number}": tensor for number, tensor in enumerate(shard.tensors)}
        path = self._directory / "optim_states.safetensors"
        self._to_disk("safetensors", path, lambda: safetensors.torch.save_file(named, path))

    def disk(self) -> None:
        """Plain write(2) and fsync of the same bytes, reading them back, and the fsync of a small file."""
        path, size = self._directory / "raw", self._shard.shape.size
        self._to_disk("plain write(2)", path, lambda: _write(path, self._snapshot.tensors), keep=True)
        with open(path, "rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            self._measure("read(2), not from the cache", size, lambda: _read(file.fileno()))
        path.unlink()
        with open(path, "wb", buffering=0) as file:
            file.write(bytes(_SMALL))
            self._measure("fsync of a small file", _SMALL, lambda: os.fsync(file.fileno()))
        path.unlink()

    def _copy(self) -> None:
        self._snapshot.begin()
        self._snapshot.wait()

    def _to_disk(self, name: str, path: Path, save: Callable[[], Any], *, keep: bool = False) -> None:
        """The call, and then the fsync that it left to others; both together are what reaches the disk."""
        yardstick = None if name.startswith("plain") else "plain write(2)"
        size = self._shard.shape.size
        took = self._measure(f"{name} to the disk", size, save, yardstick and f"{yardstick} to the disk")
        with open(path, "rb") as file:
            synced = self._timed(lambda: os.fsync(file.fileno()))
        both = yardstick and f"{yardstick}, synced"
        self.found.append(Measured(f"{name}, synced", size, took + synced, both))
        if not keep:
            path.unlink()

    def _measure(self, name: str, size: int, action: Callable[[], Any], yardstick: str | None = None) -> float:
        seconds = self._timed(action)
        self.found.append(Measured(name, size, seconds, yardstick))
        return seconds

    def _timed(self, action: Callable[[], Any]) -> float:
        self._synchronise()
        started = time.perf_counter()
        action()
        self._synchronise()
        return time.perf_counter() - started

    def _synchronise(self) -> None:
        import torch

        if self._shard.device != "cpu":
            torch.cuda.synchronize(self._shard.device)


class _Nothing:
    """A file that forgets what is written to it."""

    def write(self, data: Any) -> int:
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def read_back(path: Path) -> list[Any]:
    """The tensors of a rank's file, mapped into memory. Raises what ``torch.load`` raises."""
    import torch

    return tensors_of(torch.load(path, mmap=True, weights_only=True))


def _write(path: Path, tensors: list[Any]) -> None:
    with open(path, "wb", buffering=0) as file:
        for tensor in tensors:
            view = memoryview(tensor.numpy()).cast("B")
            for start in range(0, len(view), _PIECE):
                piece = view[start : start + _PIECE]
                while piece:
                    piece = piece[file.write(piece) :]


def _read(descriptor: int) -> None:
    buffer = bytearray(_PIECE)
    while os.readv(descriptor, [buffer]):
        pass


KEYS: Mapping[str, str] = {
    "d2h": "device to pinned memory",
    "torch_stream": "torch.save to the disk",
    "safetensors_stream": "safetensors to the disk",
    "write_stream": "plain write(2) to the disk",
    "read_stream": "read(2), not from the cache",
    "node_write": "plain write(2), synced",
}
"""Rates of the cost model, by what was measured for each."""

LATENCIES: Mapping[str, str] = {"fsync": "fsync of a small file"}
"""The same of latencies."""


def overrides(measured: Sequence[Measured]) -> dict[str, float]:
    """The figures that were measured, by the keys of the cost model: GB/s, and seconds for latencies."""
    by_name = {each.name: each for each in measured}
    found = {key: by_name[name].rate for key, name in KEYS.items() if name in by_name}
    found |= {key: by_name[name].seconds for key, name in LATENCIES.items() if name in by_name}
    return {key: value for key, value in found.items() if value > 0}


def as_toml(measured: Sequence[Measured], device: str, profile: str = "local") -> str:
    """A file for ``--costs``, or the beginning of a scenario. ``profile`` has the figures that were not measured."""
    sources = {**KEYS, **LATENCIES}
    lines = [
        f"# Measured by ckptrace gpu on {device}. Rates in GB/s (1e9 bytes a second), latencies in seconds.",
        "# One process at work: node_write is what it gets by itself, several together may get more.",
        "[costs]",
        f'profile = "{profile}"  # what was not measured',
        "",
        "[costs.overrides]",
        *(f"{key} = {value:.6g}  # {sources[key]}" for key, value in overrides(measured).items()),
    ]
    return "\n".join(lines) + "\n"
