"""What the Trainer writes when DeepSpeed ZeRO holds the states: stage 3 and stage 2.

The files are in the order in which their writers write them, as traced on the real Trainer with DeepSpeed 0.19:
rank 0 saves the gathered model alone while the others wait; then every rank makes ``global_step{step}`` and writes its
states there; rank 0 adds the conversion scripts and ``latest``, which it does before the closing barrier, so that
``latest`` can name a directory that other ranks are still writing; then every rank writes its random-number state.
Resuming reads DeepSpeed's files, not the gathered model.
"""

from __future__ import annotations

from simulator.errors import UsageError
from simulator.layouts.hugging_face import closing_files, model_files
from simulator.layouts.model_shapes import ModelShape
from simulator.layouts.parameters import elements, partition_elements
from simulator.layouts.shards import ShardSpec

DIRECTORY = "global_step{step}/"
"""Where DeepSpeed puts a checkpoint's states, below ``checkpoint-N``."""

OPTIMIZER_BYTES = 12
"""Bytes for each trained element: the master weight and both of Adam's moments, all in float32."""

WEIGHT_BYTES = 2
"""Bytes of an element of the model, which ZeRO keeps in 16 bits."""

_OPTIMIZER_OVERHEAD = 5_600
"""What a rank's optimizer file holds beside the payload: 5.4 to 5.7 KB were measured."""

_MODEL_STATES_PER_TENSOR = 520
"""Names, shapes and empty placeholders, a tensor: 42 KB for 81 tensors were measured."""

_SCRIPTS = {"zero_to_fp32.py": 38_580, "zero_to_torch.py": 2_490}
_PRECISIONS = {"bf16": "bf16_", "fp16": ""}
_DTYPES = {"bf16": "bfloat16", "fp16": "float16"}


def zero3_rank_bytes(shape: ModelShape, world_size: int, frozen: bool) -> tuple[int, int]:
    """The payload in bytes of one rank's optimizer states, and of its fragments of frozen parameters.

    Each parameter is cut into equal parts on its own, so each is padded on its own. All ranks have the same.
    """
    trained = OPTIMIZER_BYTES * partition_elements(shape.trainable(frozen), world_size)
    return trained, WEIGHT_BYTES * partition_elements(shape.frozen(frozen), world_size)


def trainer_zero3(
    world_size: int,
    shape: ModelShape,
    frozen: bool = False,
    transformers: int = 5,
    precision: str = "bf16",
    gathered: bool = True,
    processor_files: bool = False,
) -> list[ShardSpec]:
    """Stage 3: weights, gradients and optimizer are partitioned; every rank writes two files.

    ``gathered``: ``stage3_gather_16bit_weights_on_model_save``, rank 0 writes the whole model too. ``frozen``: the
    vision tower and its projector are not trained, and their fragments lie in the model states. Raises UsageError for
    an option that makes no sense.
    """
    return [
        *model_files(shape, transformers, dtype_of(precision), frozen, resumed=False, weights=gathered),
        *stage3_states(world_size, shape, precision, frozen),
        *closing_files(world_size, processor_files),
    ]


def trainer_zero2(
    world_size: int,
    shape: ModelShape,
    frozen: bool = False,
    transformers: int = 5,
    precision: str = "bf16",
    processor_files: bool = False,
) -> list[ShardSpec]:
    """Stages 1 and 2: the optimizer is partitioned as one flat array; rank 0 writes the model twice.

    The alignment of the flat array, below 100 bytes a rank, is left out. Raises UsageError for an option that makes no
    sense.
    """
    return [
        *model_files(shape, transformers, dtype_of(precision), frozen, resumed=False),
        *stage2_states(world_size, shape, precision, frozen),
        *closing_files(world_size, processor_files),
    ]


def stage3_states(world_size: int, shape: ModelShape, precision: str, frozen: bool = False) -> list[ShardSpec]:
    """What DeepSpeed's own ``save_checkpoint`` writes under stage 3."""
    prefix = _prefix(precision)
    optimizer, fragments = zero3_rank_bytes(shape, world_size, frozen)
    states = _MODEL_STATES_PER_TENSOR * len(shape.parameters) + fragments
    return [
        *(
            spec
            for rank in range(world_size)
            for spec in (
                ShardSpec(_file("", rank, "model"), "model_states", rank, states, (rank,)),
                ShardSpec(_file(prefix, rank, "optim"), "optimizer", rank, optimizer + _OPTIMIZER_OVERHEAD, (rank,)),
            )
        ),
        *_publication(),
    ]


def stage2_states(world_size: int, shape: ModelShape, precision: str, frozen: bool = False) -> list[ShardSpec]:
    """The same under stages 1 and 2."""
    prefix = _prefix(precision)
    optimizer = OPTIMIZER_BYTES * -(-elements(shape.trainable(frozen)) // world_size) + _OPTIMIZER_OVERHEAD
    states = WEIGHT_BYTES * shape.elements + _MODEL_STATES_PER_TENSOR * len(shape.parameters)
    return [
        ShardSpec(DIRECTORY + "mp_rank_00_model_states.pt", "model_states", 0, states),
        *(ShardSpec(_file(prefix, rank, "optim"), "optimizer", rank, optimizer, (rank,)) for rank in range(world_size)),
        *_publication(),
    ]


def dtype_of(precision: str) -> str:
    """The type that DeepSpeed turns every parameter into, adapters too. Raises UsageError for an unknown precision."""
    _prefix(precision)
    return _DTYPES[precision]


def _publication() -> list[ShardSpec]:
    return [
        *(ShardSpec(name, "config", 0, size, (), False) for name, size in _SCRIPTS.items()),
        ShardSpec("latest", "pointer", 0, len("global_step1")),
    ]


def _file(prefix: str, rank: int, part: str) -> str:
    return f"{DIRECTORY}{prefix}zero_pp_rank_{rank}_mp_rank_00_{part}_states.pt"


def _prefix(precision: str) -> str:
    if precision not in _PRECISIONS:
        raise UsageError(f"workload.options.precision: must be one of {', '.join(_PRECISIONS)}, is {precision!r}")
    return _PRECISIONS[precision]
