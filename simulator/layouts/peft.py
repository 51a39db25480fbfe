"""What the Trainer writes when only LoRA adapters are trained (PEFT): the adapters instead of the base model.

Source: peft 0.21.2, ``PeftModel.save_pretrained``, run on a small model of the family; DeepSpeed 0.19 saves such a
model with ``exclude_frozen_parameters``, so the base model is in none of its files either.
"""

from __future__ import annotations

from simulator.errors import UsageError
from simulator.layouts import deepspeed
from simulator.layouts.hugging_face import TRAINING_ARGS, closing_files, constant
from simulator.layouts.model_shapes import ModelShape
from simulator.layouts.parameters import Parameter, elements
from simulator.layouts.safetensors_files import weight_files
from simulator.layouts.shards import ShardSpec

TARGETS = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"
"""The modules of Qwen2.5-VL's language model that adapters are usually put on."""

_PREFIX = "base_model.model."
_README = 5_128
_ADAPTER_CONFIG = 1_286
_MOMENT_BYTES = 8


def adapters(shape: ModelShape, lora_rank: int, targets: str = TARGETS, frozen: bool = False) -> tuple[Parameter, ...]:
    """The adapters' parameters: a matrix down and one up again for each module whose name ends in a target.

    ``lora_rank`` is the width between the two. ``frozen`` leaves the vision tower without adapters, as LLaMA-Factory
    does; PEFT by itself would put them wherever a name fits. Raises UsageError for a rank below 1, and where no module
    has such a name.
    """
    if lora_rank < 1:
        raise UsageError(f"workload.options.lora_rank: must be at least 1, is {lora_rank}")
    wanted = {name.strip() for name in targets.split(",")}
    found = []
    for parameter in shape.trainable(frozen):
        module, _, kind = parameter.name.rpartition(".")
        if kind == "weight" and len(parameter.shape) == 2 and module.rpartition(".")[2] in wanted:
            out, into = parameter.shape
            found.append(Parameter(f"{_PREFIX}{module}.lora_A.weight", (lora_rank, into)))
            found.append(Parameter(f"{_PREFIX}{module}.lora_B.weight", (out, lora_rank)))
    if not found:
        raise UsageError(f"workload.options.targets: no module of {shape.name} is named {targets!r}")
    return tuple(found)


def trainer_lora(
    world_size: int,
    shape: ModelShape,
    frozen: bool = False,
    lora_rank: int = 8,
    targets: str = TARGETS,
    processor_files: bool = False,
) -> list[ShardSpec]:
    """Adapters under plain data parallelism: rank 0 writes them and their optimizer."""
    trained = adapters(shape, lora_rank, targets, frozen)
    return [
        *_adapter_files(trained, "float32", resumed=True),
        ShardSpec("optimizer.pt", "optimizer", 0, _MOMENT_BYTES * elements(trained)),
        *closing_files(world_size, processor_files),
    ]


def trainer_lora_zero2(
    world_size: int,
    shape: ModelShape,
    frozen: bool = False,
    lora_rank: int = 8,
    targets: str = TARGETS,
    precision: str = "bf16",
    processor_files: bool = False,
) -> list[ShardSpec]:
    """Adapters under ZeRO stage 2: every rank writes its part of their optimizer."""
    trained = adapters(shape, lora_rank, targets, frozen)
    return [
        *_adapter_files(trained, deepspeed.dtype_of(precision), resumed=False),
        *deepspeed.stage2_states(world_size, _only(trained), precision),
        *closing_files(world_size, processor_files),
    ]


def trainer_lora_zero3(
    world_size: int,
    shape: ModelShape,
    frozen: bool = False,
    lora_rank: int = 8,
    targets: str = TARGETS,
    precision: str = "bf16",
    processor_files: bool = False,
) -> list[ShardSpec]:
    """Adapters under ZeRO stage 3: every rank writes two small files."""
    trained = adapters(shape, lora_rank, targets, frozen)
    return [
        *_adapter_files(trained, "float32", resumed=False),
        *deepspeed.stage3_states(world_size, _only(trained), precision),
        *closing_files(world_size, processor_files),
    ]


def _adapter_files(trained: tuple[Parameter, ...], dtype: str, *, resumed: bool) -> list[ShardSpec]:
    """What ``save_model`` writes on rank 0.

    PEFT makes adapters in float32. DeepSpeed turns them into 16 bits under stage 2, and leaves them under stage 3.
    """
    (file,) = weight_files([trained], dtype)
    return [
        constant("README.md", "config", _README),
        ShardSpec("adapter_model.safetensors", "model", 0, file.size, None if resumed else (), header=file.header),
        constant("adapter_config.json", "config", _ADAPTER_CONFIG),
        constant("training_args.bin", "config", TRAINING_ARGS),
    ]


def _only(trained: tuple[Parameter, ...]) -> ModelShape:
    """The adapters as a model of their own, which is all that DeepSpeed saves of it."""
    return ModelShape("adapters", trained, "", str)
