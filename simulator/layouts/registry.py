"""Layouts by name, and the files of a scenario's workload."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Final

from simulator.errors import UsageError
from simulator.layouts import trainer
from simulator.layouts.deepspeed import trainer_zero2, trainer_zero3
from simulator.layouts.distributed import dcp, trainer_fsdp
from simulator.layouts.hugging_face import trainer_ddp
from simulator.layouts.megatron import megatron
from simulator.layouts.model_shapes import ModelShape, model_shape
from simulator.layouts.peft import trainer_lora, trainer_lora_zero2, trainer_lora_zero3
from simulator.layouts.shards import Layout, ShardSpec
from simulator.scenario import Cluster, Workload

_TOYS: Final[Mapping[str, Layout]] = {"ddp": trainer.ddp, "zero": trainer.zero}

_OF_A_MODEL: Final[Mapping[str, Callable[..., list[ShardSpec]]]] = {
    "trainer-ddp": trainer_ddp,
    "trainer-zero2": trainer_zero2,
    "trainer-zero3": trainer_zero3,
    "trainer-fsdp": trainer_fsdp,
    "trainer-lora": trainer_lora,
    "trainer-lora-zero2": trainer_lora_zero2,
    "trainer-lora-zero3": trainer_lora_zero3,
    "dcp": dcp,
    "megatron": megatron,
}

_FROZEN = ShardSpec("frozen.safetensors", "model", 0, 4096, None, False)

Option = str | int | bool


def layout_names() -> list[str]:
    """The names of all layouts, the toy ones first."""
    return [*_TOYS, *_OF_A_MODEL]


def layout(
    name: str, model: str | None = None, frozen: bool = False, options: Mapping[str, Option] | None = None
) -> Layout:
    """A layout by name, as a function of the world size.

    Layouts of a real model need ``model``; the toy ones have none. ``frozen`` adds to a toy layout a shard that never
    changes, and freezes a real model's vision tower. ``options`` are the layout's own. Raises UsageError, naming the
    key, for anything unknown, missing or of the wrong type.
    """
    given = dict(options or {})
    if name in _TOYS:
        if model is not None:
            raise UsageError(f"workload.model: layout {name!r} has no model, but one is given: {model!r}")
        if given:
            raise UsageError(f"workload.options: layout {name!r} has no option {next(iter(given))!r}")
        toy = _TOYS[name]
        return (lambda world_size: [_FROZEN, *toy(world_size)]) if frozen else toy
    function = _OF_A_MODEL.get(name)
    if function is None:
        raise UsageError(f"workload.layout: unknown layout {name!r}; there are {', '.join(layout_names())}")
    if model is None:
        raise UsageError(f"workload.model: layout {name!r} needs a model")
    shape = model_shape(model)
    _check(name, function, given)
    return lambda world_size: function(world_size, shape, frozen, **given)


def files_of(workload: Workload, cluster: Cluster) -> list[ShardSpec]:
    """Every file of one checkpoint of a workload. Raises UsageError as ``layout`` does."""
    return layout(workload.layout, workload.model, bool(workload.frozen), workload.options)(cluster.world_size)


def shape_of(workload: Workload) -> ModelShape | None:
    """The model of a workload, None for a toy one."""
    return None if workload.model is None else model_shape(workload.model)


def layout_summary(name: str) -> str:
    """What a layout is, in one sentence. ``name`` is one of ``layout_names``."""
    text = (_TOYS.get(name) or _OF_A_MODEL[name]).__doc__ or ""
    return " ".join(text.split("\n\n")[0].split())


def layout_options(name: str) -> dict[str, Option]:
    """The options of a layout with their defaults; none for a toy one and for an unknown name."""
    function = _OF_A_MODEL.get(name)
    return {} if function is None else _defaults(function)


def is_toy(name: str) -> bool:
    """Whether a layout is one that needs no model."""
    return name in _TOYS


def options_from_text(name: str, texts: Mapping[str, str]) -> dict[str, Option]:
    """Options as a command line gives them, each in the type of its default.

    An unknown one stays as it is: ``layout`` refuses it. Raises UsageError, naming the option, for a value that is no
    number or neither true nor false.
    """
    defaults = layout_options(name)
    return {key: _converted(key, text, defaults.get(key)) for key, text in texts.items()}


def _converted(key: str, text: str, default: Option | None) -> Option:
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise UsageError(f"workload.options.{key}: must be true or false, is {text!r}")
        return text.lower() == "true"
    if isinstance(default, int):
        try:
            return int(text)
        except ValueError as error:
            raise UsageError(f"workload.options.{key}: must be a whole number, is {text!r}") from error
    return text


def _check(name: str, function: Callable[..., list[ShardSpec]], options: Mapping[str, Option]) -> None:
    defaults = _defaults(function)
    for key, value in options.items():
        if key not in defaults:
            raise UsageError(f"workload.options: layout {name!r} has no option {key!r}; it has {', '.join(defaults)}")
        if type(value) is not type(defaults[key]):
            kind = type(defaults[key]).__name__
            raise UsageError(f"workload.options.{key}: must be of type {kind}, is {value!r}")


def _defaults(function: Callable[..., list[ShardSpec]]) -> dict[str, Option]:
    """Its options and their defaults; what comes before them says which job it is."""
    parameters = list(inspect.signature(function).parameters.values())[3:]
    return {parameter.name: parameter.default for parameter in parameters}
