"""A model's parameters without their values: names, shapes, and sums over them."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Bytes of one element, by torch's name of the type."""


class Parameter(msgspec.Struct, frozen=True):
    """One tensor of a model, by its name in memory."""

    name: str
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


def elements(parameters: Iterable[Parameter]) -> int:
    """The number of elements of all the parameters."""
    return sum(parameter.elements for parameter in parameters)


def partition_elements(parameters: Iterable[Parameter], world_size: int) -> int:
    """What one rank holds when each parameter is cut into ``world_size`` equal parts, the last one padded (ZeRO-3)."""
    return sum(-(-parameter.elements // world_size) for parameter in parameters)


def by_name(parameters: Iterable[Parameter]) -> list[Parameter]:
    """In the order of their names, part by part between the dots, numbers as numbers and before words.

    So transformers 5 sorts what it renames on the way to the disk. Source: its ``revert_weight_conversion`` (5.0 to
    5.23); no part of a name of the models known here is a word that ends in digits, which some releases sort apart.
    """
    return sorted(
        parameters,
        key=lambda parameter: [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in parameter.name.split(".")],
    )


def split(parameters: Iterable[Parameter], element_bytes: int, maximum: int) -> list[list[Parameter]]:
    """Cut into files of at most ``maximum`` bytes, greedily and in order, as ``save_pretrained`` does.

    A tensor larger than ``maximum`` gets a file of its own, and the file that was being filled is filled further.
    Source: huggingface_hub, ``split_state_dict_into_shards_factory``.
    """
    files: list[list[Parameter]] = []
    current: list[Parameter] = []
    size = 0
    for parameter in parameters:
        own = parameter.elements * element_bytes
        if own > maximum:
            files.append([parameter])
            continue
        if size + own > maximum:
            files.append(current)
            current, size = [], 0
        current.append(parameter)
        size += own
    if current:
        files.append(current)
    return files
