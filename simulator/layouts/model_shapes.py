"""Models by name: their parameters from a configuration, without weights and without transformers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from simulator.errors import UsageError
from simulator.layouts import qwen2_5_vl
from simulator.layouts.parameters import Parameter, elements


class ModelShape(msgspec.Struct, frozen=True):
    """A model without its weights. ``vision`` is the prefix of the parameters that a frozen vision tower freezes."""

    name: str
    parameters: tuple[Parameter, ...]
    vision: str
    published_name: Callable[[str], str]
    published_parameters: int | None = None

    @property
    def elements(self) -> int:
        """The number of parameters, as people count a model's."""
        return elements(self.parameters)

    def trainable(self, frozen_vision: bool) -> list[Parameter]:
        """The parameters that the optimizer has states for."""
        return [p for p in self.parameters if not (frozen_vision and p.name.startswith(self.vision))]

    def frozen(self, frozen_vision: bool) -> list[Parameter]:
        """The others."""
        return [p for p in self.parameters if frozen_vision and p.name.startswith(self.vision)]


def model_names() -> list[str]:
    """The models that are known by name, sorted by size."""
    found = [entry.name.removesuffix(".json") for entry in _directory().iterdir() if entry.name.endswith(".json")]
    return sorted(found, key=lambda name: (len(name), name))


@cache
def model_shape(name: str) -> ModelShape:
    """A model by name, or by the path of its ``config.json``. Raises UsageError for what is neither."""
    if name.endswith(".json"):
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise UsageError(f"workload.model: {name}: {reason}") from error
    elif name in model_names():
        text = _directory().joinpath(name + ".json").read_text(encoding="utf-8")
    else:
        known = ", ".join(model_names())
        raise UsageError(f"workload.model: unknown model {name!r}; there are {known}, or the path of a config.json")
    try:
        config = json.loads(text)
    except ValueError as error:
        raise UsageError(f"workload.model: {name}: not JSON: {error}") from error
    return _from_config(config, name)


def _from_config(config: Any, name: str) -> ModelShape:
    if not isinstance(config, Mapping) or config.get("model_type") != "qwen2_5_vl":
        raise UsageError(f"workload.model: {name}: model_type must be 'qwen2_5_vl', the family whose shapes are known")
    try:
        parameters = tuple(qwen2_5_vl.parameters(config))
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise UsageError(f"workload.model: {name}: missing or malformed field {error}") from error
    return ModelShape(
        config.get("name", name),
        parameters,
        qwen2_5_vl.VISION,
        qwen2_5_vl.published_name,
        config.get("published_parameters"),
    )


def _directory() -> Any:
    return files("simulator").joinpath("data/shapes")
