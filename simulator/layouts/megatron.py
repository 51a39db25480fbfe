"""What Megatron-LM writes into ``iter_NNNNNNN`` in its distributed format (``torch_dist``).

``common.pt`` comes first, from rank 0: arguments, scheduler, random-number states. Every rank that saves writes as many
files as the writer has threads. ``.metadata`` is DCP's commit, and ``metadata.json`` Megatron's own, written last by
rank 0. The file ``latest_checkpointed_iteration.txt`` lies beside the checkpoints, so it is no part of one: a protocol
writes it. Source: megatron-core 0.16.1, ``dist_checkpointing``, read.
"""

from __future__ import annotations

from simulator.errors import UsageError
from simulator.layouts.model_shapes import ModelShape
from simulator.layouts.parameters import elements
from simulator.layouts.shards import ShardSpec

WEIGHT_BYTES = 2
"""Bytes of an element of the model, which is kept in 16 bits."""

OPTIMIZER_BYTES = 12
"""Bytes for each trained element: the master weight and both of Adam's moments, all in float32."""

_COMMON = 200_000
_METADATA_JSON = 120
_METADATA_PER_CHUNK = 190


def megatron(
    world_size: int, shape: ModelShape, frozen: bool = False, tensor: int = 1, pipeline: int = 1, threads: int = 2
) -> list[ShardSpec]:
    """Model and optimizer with ``tensor`` by ``pipeline`` model parallelism and a distributed optimizer.

    Who writes which replica is decided by load (FullyParallelSaveStrategyWrapper), so all ranks are taken to write
    equal parts: exact in the sum, and within a tensor or so for each rank. Raises UsageError for an option that makes
    no sense.
    """
    for name, value in (("tensor", tensor), ("pipeline", pipeline), ("threads", threads)):
        if value < 1:
            raise UsageError(f"workload.options.{name}: must be at least 1, is {value}")
    parts = tensor * pipeline
    if world_size % parts:
        raise UsageError(
            f"workload.options.tensor and pipeline: {tensor} x {pipeline} do not divide a job of {world_size} ranks"
        )
    payload = WEIGHT_BYTES * shape.elements + OPTIMIZER_BYTES * elements(shape.trainable(frozen))
    files = world_size * threads
    sizes = [payload // files + (number < payload % files) for number in range(files)]
    # Each tensor is cut by tensor parallelism alone; its optimizer states are cut by data parallelism too.
    chunks = len(shape.parameters) * tensor + 3 * len(shape.trainable(frozen)) * (world_size // pipeline)
    return [
        ShardSpec("common.pt", "common", 0, _COMMON),
        *(
            ShardSpec(f"__{rank}_{thread}.distcp", "sharded", rank, sizes[rank * threads + thread], (rank,))
            for rank in range(world_size)
            for thread in range(threads)
        ),
        ShardSpec(".metadata", "metadata", 0, _METADATA_PER_CHUNK * chunks),
        ShardSpec("metadata.json", "metadata", 0, _METADATA_JSON),
    ]
