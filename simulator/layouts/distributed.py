"""What torch.distributed.checkpoint (DCP) writes, and what the Trainer makes of it for FSDP with sharded state.

Every tensor is cut along its first dimension into as many chunks as there are ranks, as ``torch.chunk`` cuts (FSDP and
``Shard(0)``); each rank writes its chunks into a file of its own, and when all have reported, rank 0 writes
``.metadata``, which is the commit. Tensors that all ranks hold alike (the optimizer's step counters) are written once,
spread over the ranks. Sources: FileSystemWriter of torch 2.13, and the Trainer of transformers 5.23 with accelerate
1.15 (FSDP 2), both run with three ranks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from simulator.errors import UsageError
from simulator.layouts.hugging_face import closing_files
from simulator.layouts.model_shapes import ModelShape
from simulator.layouts.parameters import DTYPE_BYTES, Parameter
from simulator.layouts.shards import ShardSpec

MOMENT_BYTES = 8
"""Bytes for each trained element in the optimizer: both of Adam's moments, in float32."""

_CHUNK_OVERHEAD = 1_560
"""What ``torch.save`` adds to each chunk: 1,547 to 1,565 bytes were measured, empty chunks included."""

_METADATA_PER_CHUNK = 190
"""Bytes of ``.metadata`` for each chunk: 170 to 200 were measured."""

_METADATA = 300
_STEP_COUNTER = 4


def dcp(
    world_size: int, shape: ModelShape, frozen: bool = False, dtype: str = "bfloat16", threads: int = 1
) -> list[ShardSpec]:
    """Model and optimizer in one DCP checkpoint, in files by rank.

    ``threads`` is FileSystemWriter's ``thread_count``: so many files a rank. Raises UsageError for an option that
    makes no sense.
    """
    if dtype not in DTYPE_BYTES:
        raise UsageError(f"workload.options.dtype: must be one of {', '.join(DTYPE_BYTES)}, is {dtype!r}")
    if threads < 1:
        raise UsageError(f"workload.options.threads: must be at least 1, is {threads}")
    trained = shape.trainable(frozen)
    chunks = 0
    found = []
    for rank in range(world_size):
        model = shard_bytes(shape.parameters, world_size, rank, DTYPE_BYTES[dtype])
        moments = _optimizer_bytes(trained, world_size, rank)
        for thread, size in enumerate(_shares(model + moments, threads)):
            found.append(ShardSpec(f"__{rank}_{thread}.distcp", "sharded", rank, size, (rank,)))
        chunks += len(shape.parameters) + 2 * len(trained)
    return [*found, _metadata("", chunks + len(trained))]


def trainer_fsdp(
    world_size: int, shape: ModelShape, frozen: bool = False, processor_files: bool = False
) -> list[ShardSpec]:
    """The Trainer under FSDP with SHARDED_STATE_DICT: a DCP checkpoint of the model, then one of the optimizer.

    The parameters are in float32, whatever type the forward pass computes in. No safetensors file, no configuration and
    no ``training_args.bin``: ``save_model`` writes nothing unless the state is gathered.
    """
    trained = shape.trainable(frozen)
    found = []
    for directory, role in (("pytorch_model_fsdp_0/", "model"), ("optimizer_0/", "optimizer")):
        for rank in range(world_size):
            if role == "model":
                size = shard_bytes(shape.parameters, world_size, rank, DTYPE_BYTES["float32"])
            else:
                size = _optimizer_bytes(trained, world_size, rank)
            found.append(ShardSpec(f"{directory}__{rank}_0.distcp", role, rank, size, (rank,)))
        chunks = len(shape.parameters) if role == "model" else 2 * len(trained)
        found.append(_metadata(directory, chunks * world_size + (len(trained) if role == "optimizer" else 0)))
    return [*found, *closing_files(world_size, processor_files)]


def shard_bytes(parameters: Sequence[Parameter], world_size: int, rank: int, element_bytes: int) -> int:
    """The size of a rank's file that holds its chunk of each of the parameters."""
    shapes = Counter(parameter.shape for parameter in parameters)
    chunks = sum(count * chunk_elements(shape, world_size, rank) for shape, count in shapes.items())
    return element_bytes * chunks + len(parameters) * _CHUNK_OVERHEAD


def chunk_elements(shape: tuple[int, ...], world_size: int, rank: int) -> int:
    """The elements of a rank's chunk of a tensor; the last ranks may have fewer, or none."""
    rows, *rest = shape
    most = -(-rows // world_size)
    return max(0, min(most, rows - rank * most)) * math.prod(rest)


def _optimizer_bytes(trained: Sequence[Parameter], world_size: int, rank: int) -> int:
    """Two moments of each parameter's chunk, and this rank's part of the step counters."""
    counters = len(trained) // world_size + (rank < len(trained) % world_size)
    moments = shard_bytes(trained, world_size, rank, MOMENT_BYTES) + len(trained) * _CHUNK_OVERHEAD
    return moments + counters * (_STEP_COUNTER + _CHUNK_OVERHEAD)


def _metadata(directory: str, chunks: int) -> ShardSpec:
    return ShardSpec(directory + ".metadata", "metadata", 0, _METADATA + _METADATA_PER_CHUNK * chunks)


def _shares(size: int, parts: int) -> list[int]:
    """A size cut into nearly equal parts."""
    return [size // parts + (part < size % parts) for part in range(parts)]
