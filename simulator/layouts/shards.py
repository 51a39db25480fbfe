"""A layout: which files make a whole checkpoint, who writes each, and how large it is."""

from __future__ import annotations

from typing import Protocol

import msgspec


class ShardSpec(msgspec.Struct, frozen=True):
    """One file of a checkpoint.

    ``name`` is relative to the checkpoint's directory and may hold ``{step}``. ``writer`` is the rank that writes it;
    ``readers`` are the ranks that need it to resume (None: all). ``size`` in bytes is what a size-only workload
    writes. ``changes`` tells whether the content changes from step to step (a frozen part does not). ``header`` is how
    the file really begins, where that is known: a safetensors file's table of tensors.
    """

    name: str
    role: str
    writer: int
    size: int
    readers: tuple[int, ...] | None = None
    changes: bool = True
    header: bytes = b""


class Layout(Protocol):
    """The files of one checkpoint as a function of the world size."""

    def __call__(self, world_size: int) -> list[ShardSpec]:
        """Every file of a checkpoint, each once, in the order in which its writer writes it."""
        ...
