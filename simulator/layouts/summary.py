"""A layout in figures: files of one kind together, and what each rank and the job write."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from simulator.layouts.model_shapes import ModelShape
from simulator.layouts.parameters import DTYPE_BYTES, elements, split
from simulator.layouts.shards import ShardSpec

HUB_SHARD_BYTES = 4 * 10**9
"""The size at which the model was cut for publication, as the sizes of its published files show."""

_NUMBERS = re.compile(r"\d+")


class Kind(msgspec.Struct, frozen=True):
    """Files whose names differ in numbers only. Sizes in bytes."""

    role: str
    first: str
    last: str
    files: int
    writers: int
    smallest: int
    largest: int
    total: int


class Totals(msgspec.Struct, frozen=True):
    """One checkpoint of a job. Sizes in bytes; ``by_rank`` are those of what each rank writes, in order of ranks."""

    files: int
    size: int
    by_rank: list[int]
    files_by_rank: list[int]
    kinds: list[Kind]


class ModelCounts(msgspec.Struct, frozen=True):
    """A model in figures. ``size`` in bytes, of bfloat16; ``published_files`` are the sizes without headers."""

    name: str
    parameters: int
    tensors: int
    size: int
    trainable: int
    frozen: int
    published_files: list[int]


def totals(specs: Sequence[ShardSpec], world_size: int) -> Totals:
    """The figures of a checkpoint's files."""
    by_rank, files_by_rank = [0] * world_size, [0] * world_size
    kinds: dict[tuple[str, str], list[ShardSpec]] = {}
    for spec in specs:
        by_rank[spec.writer] += spec.size
        files_by_rank[spec.writer] += 1
        kinds.setdefault((spec.role, _NUMBERS.sub("#", spec.name)), []).append(spec)
    return Totals(len(specs), sum(by_rank), by_rank, files_by_rank, [_kind(group) for group in kinds.values()])


def gathered(specs: Sequence[ShardSpec], world_size: int) -> list[int]:
    """The bytes that each rank has to hold in host memory at once before it writes any of them.

    That is the model where it is gathered on one rank although all have parts of it, as under ZeRO: nobody reads it to
    resume. What is written as it lies, tensor by tensor, is not counted.
    """
    found = [0] * world_size
    for spec in specs:
        if spec.role == "model" and spec.readers == ():
            found[spec.writer] += spec.size
    return found


def counts(shape: ModelShape, frozen: bool) -> ModelCounts:
    """The figures of a model."""
    width = DTYPE_BYTES["bfloat16"]
    published = [width * elements(group) for group in split(shape.parameters, width, HUB_SHARD_BYTES)]
    trainable = elements(shape.trainable(frozen))
    return ModelCounts(
        shape.name,
        shape.elements,
        len(shape.parameters),
        width * shape.elements,
        trainable,
        shape.elements - trainable,
        published,
    )


def _kind(group: Sequence[ShardSpec]) -> Kind:
    sizes = [spec.size for spec in group]
    writers = len({spec.writer for spec in group})
    return Kind(group[0].role, group[0].name, group[-1].name, len(group), writers, min(sizes), max(sizes), sum(sizes))
