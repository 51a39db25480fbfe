"""What Hugging Face's Trainer writes into ``checkpoint-N`` for a real model, and its layout under data parallelism.

Source: a traced run of the real Trainer (transformers 4.57 and 5.23) on a small model of the same family, and the
sizes of published checkpoints. The small files' sizes are typical ones: they vary with the configuration.
"""

from __future__ import annotations

from simulator.errors import UsageError
from simulator.layouts.model_shapes import ModelShape
from simulator.layouts.parameters import DTYPE_BYTES, by_name, elements, split
from simulator.layouts.safetensors_files import index, weight_files
from simulator.layouts.shards import ShardSpec

SHARD_BYTES = {4: 5 * 10**9, 5: 50 * 10**9}
"""``save_pretrained``'s default ``max_shard_size``, by transformers' major version."""

TRAINING_ARGS = 6_144
"""Bytes of ``training_args.bin``: 5 to 7 KB were seen."""

_CONFIG = 2_048
_GENERATION_CONFIG = 200
_SCHEDULER = 1_400
_RNG = 15_000
_TRAINER_STATE = 4_096
# LLaMA-Factory saves tokenizer and processor from a callback of its own, after the Trainer has rotated.
_PROCESSOR = {
    "tokenizer.json": 11_421_896,
    "vocab.json": 2_776_833,
    "merges.txt": 1_671_853,
    "tokenizer_config.json": 5_000,
    "special_tokens_map.json": 700,
    "added_tokens.json": 700,
    "preprocessor_config.json": 800,
    "video_preprocessor_config.json": 1_000,
    "chat_template.jinja": 1_100,
}


def model_files(shape: ModelShape, transformers: int, dtype: str, frozen_vision: bool, *, resumed: bool,
                weights: bool = True) -> list[ShardSpec]:  # fmt: skip
    """What ``save_model`` writes on rank 0. ``resumed``: whether a resuming rank reads the weights from here."""
    if transformers not in SHARD_BYTES:
        known = ", ".join(map(str, SHARD_BYTES))
        raise UsageError(f"workload.options.transformers: must be one of {known}, is {transformers!r}")
    readers = None if resumed else ()
    found = [
        constant("config.json", "config", _CONFIG),
        constant("generation_config.json", "config", _GENERATION_CONFIG),
    ]
    if weights:
        parameters = by_name(shape.parameters) if transformers == 5 else shape.parameters
        groups = split(parameters, DTYPE_BYTES[dtype], SHARD_BYTES[transformers])
        files = weight_files(groups, dtype, shape.published_name)
        trained = {parameter.name for parameter in shape.trainable(frozen_vision)}
        for file in files:
            changes = any(parameter.name in trained for parameter in file.parameters)
            found.append(ShardSpec(file.name, "model", 0, file.size, readers, changes, file.header))
        if len(files) > 1:
            size = len(index(files, dtype, shape.published_name))
            found.append(ShardSpec("model.safetensors.index.json", "model", 0, size, readers, False))
    found.append(constant("training_args.bin", "config", TRAINING_ARGS))
    return found


def closing_files(world_size: int, processor_files: bool) -> list[ShardSpec]:
    """What follows the optimizer: scheduler, random-number states, trainer state, and the tokenizer after rotation."""
    found = [
        ShardSpec("scheduler.pt", "scheduler", 0, _SCHEDULER),
        *(ShardSpec(f"rng_state_{rank}.pth", "rng", rank, _RNG, (rank,)) for rank in range(world_size)),
        ShardSpec("trainer_state.json", "trainer_state", 0, _TRAINER_STATE),
    ]
    if processor_files:
        found.extend(constant(name, "processor", size) for name, size in _PROCESSOR.items())
    return found


def trainer_ddp(
    world_size: int,
    shape: ModelShape,
    frozen: bool = False,
    transformers: int = 5,
    dtype: str = "float32",
    processor_files: bool = False,
) -> list[ShardSpec]:
    """Every rank holds everything; rank 0 writes it, and every rank its random-number state.

    The optimizer has two moments of the weights' type for each trainable parameter (Adam). Raises UsageError for an
    option that makes no sense.
    """
    if dtype not in DTYPE_BYTES:
        raise UsageError(f"workload.options.dtype: must be one of {', '.join(DTYPE_BYTES)}, is {dtype!r}")
    moments = 2 * DTYPE_BYTES[dtype] * elements(shape.trainable(frozen))
    return [
        *model_files(shape, transformers, dtype, frozen, resumed=True),
        ShardSpec("optimizer.pt", "optimizer", 0, moments),
        *closing_files(world_size, processor_files),
    ]


def constant(name: str, role: str, size: int) -> ShardSpec:
    """A file of rank 0 that is the same at each step and that nobody reads to resume."""
    return ShardSpec(name, role, 0, size, (), False)
