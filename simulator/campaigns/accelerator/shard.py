"""The optimizer shard of one rank under ZeRO-3, as tensors whose every element is known, and the room that it needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from simulator.errors import CannotDo
from simulator.layouts.model_shapes import ModelShape
from simulator.layouts.parameters import partition_elements
from simulator.memory import available_memory

_ON_DISK: Final = 1.1
"""How much more than one shard the disk must have room for: files are there one after the other."""


def check_room(where: Path, shape: ShardShape, device: str) -> None:
    """Raise CannotDo, saying what is there and what is needed, before anything is allocated.

    What runs out of host memory later is killed by the kernel without a word.
    """
    free = shutil.disk_usage(where).free
    if free < _ON_DISK * shape.size:
        raise CannotDo(f"{where}: {free / 1e9:.1f} GB are free, a shard of {shape.size / 1e9:.1f} GB needs more")
    available, needed = available_memory(), host_bytes(shape, device)
    if available is not None and available < needed:
        raise CannotDo(
            f"host memory: {available / 1e9:.1f} GB are available, a shard of {shape.size / 1e9:.1f} GB needs "
            f"{needed / 1e9:.1f} GB; with more ranks it is smaller"
        )


def host_bytes(shape: ShardShape, device: str) -> int:
    """What a run needs at the most: the snapshot, what safetensors makes of it, and the shard itself without a device.

    torch rounds pinned memory up to powers of two, tensor by tensor (``torch.cuda`` notes, pinned memory allocator).
    """
    if device == "cpu":
        return 3 * shape.size
    pinned = sum(1 << (ELEMENT_BYTES * length - 1).bit_length() for length in shape.groups) * len(PARTS)
    return pinned + shape.size


GROUP_ELEMENTS: Final = 10**9
"""DeepSpeed's ``sub_group_size``: a flat array has at most so many elements."""

PARTS: Final = ("fp32", "exp_avg", "exp_avg_sq")
"""The master weights and Adam's moments, each in float32."""

ELEMENT_BYTES: Final = 4
_CHUNK: Final = 1 << 24
"""Elements that are made or compared at once; below it every whole number is exact in float32."""


class ShardShape(msgspec.Struct, frozen=True):
    """The lengths of a shard's flat arrays, by sub-group; each is there once for each of ``PARTS``."""

    groups: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return len(PARTS) * ELEMENT_BYTES * sum(self.groups)


def shard_shape(model: ModelShape, world_size: int, frozen: bool) -> ShardShape:
    """What each rank of a job holds."""
    left = partition_elements(model.trainable(frozen), world_size)
    groups = []
    while left > 0:
        groups.append(min(left, GROUP_ELEMENTS))
        left -= groups[-1]
    return ShardShape(tuple(groups))


class DeviceShard:
    """A shard's tensors on a device. ``version`` is that of the content, 0 before there is any.

    Raises CannotDo when the device has no room for it.
    """

    def __init__(self, shape: ShardShape, device: str) -> None:
        import torch

        self.shape = shape
        self.device = device
        self.version = 0
        try:
            self.tensors: list[Any] = [
                torch.empty(length, dtype=torch.float32, device=device) for length in shape.groups for _ in PARTS
            ]
        except (torch.OutOfMemoryError, RuntimeError) as error:
            raise CannotDo(
                f"{device} has no room for a shard of {shape.size / 1e9:.1f} GB: {str(error).splitlines()[0]}"
            ) from error

    def fill(self, version: int) -> None:
        """Give every element the value that it has in this version."""
        for number, tensor in enumerate(self.tensors):
            for start, stop in _chunks(len(tensor)):
                tensor[start:stop] = expected(number, version, start, stop, self.device)
        self.version = version

    def state(self, tensors: list[Any]) -> dict[str, Any]:
        """Tensors like these as DeepSpeed arranges them in a rank's ``optim_states`` file."""
        parts = len(PARTS)
        groups = [tensors[first : first + parts] for first in range(0, len(tensors), parts)]
        return {
            "optimizer_state_dict": {
                "zero_stage": 3,
                "fp32_flat_groups": [group[0] for group in groups],
                "state": {number: {"exp_avg": group[1], "exp_avg_sq": group[2]} for number, group in enumerate(groups)},
            }
        }


def tensors_of(state: dict[str, Any]) -> list[Any]:
    """The tensors of such a state, in the order of ``DeviceShard.tensors``. Raises KeyError for another one."""
    table = state["optimizer_state_dict"]
    found = []
    for number, master in enumerate(table["fp32_flat_groups"]):
        found += [master, table["state"][number]["exp_avg"], table["state"][number]["exp_avg_sq"]]
    return found


def expected(number: int, version: int, start: int, stop: int, device: str) -> Any:
    """The elements from ``start`` to ``stop`` of tensor ``number``: neighbours, tensors and versions all differ."""
    import torch

    index = torch.arange(start, stop, dtype=torch.int64, device=device)
    return ((index * 7919 + number * 104_729 + version * 1_299_709) % _CHUNK).to(torch.float32)


def differing(tensors: list[Any], version: int, device: str) -> int:
    """How many chunks of the tensors, wherever they lie, are not what they are in this version.

    They are compared on ``device``, which is faster than the processor. Raises nothing: a tensor of another length
    counts with all its chunks.
    """
    import torch

    wrong = 0
    for number, tensor in enumerate(tensors):
        for start, stop in _chunks(len(tensor)):
            part = tensor[start:stop].to(device)
            if not torch.equal(part, expected(number, version, start, stop, device)):
                wrong += 1
    return wrong


def chunks_in(shape: ShardShape) -> int:
    """How many chunks ``differing`` compares."""
    return len(PARTS) * sum(-(-length // _CHUNK) for length in shape.groups)


def _chunks(length: int) -> Iterator[tuple[int, int]]:
    for start in range(0, length, _CHUNK):
        yield start, min(length, start + _CHUNK)


class Snapshot:
    """Pinned buffers for a shard, and the stream that fills them.

    ``begin`` starts the copies and comes back at once. What is queued on the device afterwards waits there until they
    are done, so that training may go on changing the tensors: that wait is the stall. ``wait`` is for whoever uses the
    buffers. On the processor, which has no streams, ``begin`` copies before it comes back. Raises CannotDo where host
    memory has no room.
    """

    def __init__(self, shard: DeviceShard) -> None:
        import torch

        self._shard = shard
        self._on_device = shard.device != "cpu"
        try:
            self._buffers: list[Any] = [
                torch.empty(len(tensor), dtype=tensor.dtype, pin_memory=self._on_device) for tensor in shard.tensors
            ]
        except RuntimeError as error:
            raise CannotDo(
                f"host memory has no room for {shard.shape.size / 1e9:.1f} GB: {str(error).splitlines()[0]}"
            ) from error
        self.tensors = self._buffers
        self._stream: Any = torch.cuda.Stream(shard.device) if self._on_device else None
        self._done: Any = torch.cuda.Event() if self._on_device else None

    def begin(self, *, ordered: bool = True) -> None:
        """Start the copies. Unless ``ordered``, nothing keeps later work from the tensors meanwhile: a mistake.

        On the processor the buffers are then the tensors themselves, which is the same mistake.
        """
        import torch

        self.tensors = self._buffers
        if not self._on_device:
            if ordered:
                for host, tensor in zip(self.tensors, self._shard.tensors, strict=True):
                    host.copy_(tensor)
            else:
                self.tensors = self._shard.tensors
            return
        training = torch.cuda.current_stream(self._shard.device)  # Of another device, it orders nothing.
        self._stream.wait_stream(training)
        with torch.cuda.stream(self._stream):
            for host, tensor in zip(self.tensors, self._shard.tensors, strict=True):
                host.copy_(tensor, non_blocking=True)
            self._done.record(self._stream)
        if ordered:
            training.wait_event(self._done)

    def wait(self) -> None:
        """Until the copies are done."""
        if self._done is not None:
            self._done.synchronize()
