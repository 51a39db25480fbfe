"""The training state that a strategy saves: a step, and the shards that this rank writes or reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec


class Stamp(msgspec.Struct, frozen=True):
    """What a shard's content is: whose, and of which step (the last at which it changed)."""

    name: str
    version: int


class Form(Protocol):
    """How content becomes a file: short bytes, a torch file, a safetensors file, or a size without bytes."""

    def write(self, path: str, stamp: Stamp, size: int) -> None:
        """Write the content of ``stamp`` to ``path`` as the framework would."""
        ...

    def read(self, path: str, name: str, size: int) -> Stamp:
        """Read back a file that should hold a content of ``name`` (a stamp's name) and tell what it does hold.

        Raises ValueError, naming the path, when that is not one whole content, and OSError as reading does.
        """
        ...

    def checksum(self, stamp: Stamp, size: int) -> str:
        """A checksum of the content that ``write`` writes."""
        ...


class Shard:
    """One file of a checkpoint, in the hands of the rank that writes or reads it.

    ``name`` is the path below the checkpoint's directory (with sub-directories where the layout has them), ``role``
    is model, optimizer, scheduler, rng, trainer_state or pointer.
    """

    __slots__ = ("_form", "loaded", "name", "role", "size", "stamp")

    def __init__(self, name: str, role: str, size: int, stamp: Stamp, form: Form) -> None:
        self.name = name
        self.role = role
        self.size = size
        self.stamp = stamp
        self.loaded: Stamp | None = None
        self._form = form

    def __repr__(self) -> str:
        return f"Shard({self.name!r}, version {self.stamp.version})"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the shard to ``path``, whose directory must exist."""
        self._form.write(os.fspath(path), self.stamp, self.size)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Read the shard from ``path``. Raises what reading a missing or torn file raises."""
        self.loaded = self._form.read(os.fspath(path), self.stamp.name, self.size)

    def checksum(self) -> str:
        """A checksum of what the shard holds, equal for equal content, whatever the step.

        That is what ``save`` writes and, once ``load`` has returned, what it read.
        """
        return self._form.checksum(self.loaded or self.stamp, self.size)


class State:
    """What a save gets and a load gives.

    ``keep`` is how many checkpoints the job retains (None: all), ``best_step`` the step that is retained besides
    because its metric is the best so far (None: no metric, or none yet).
    """

    __slots__ = ("best_step", "keep", "shards", "step")

    def __init__(self, step: int, shards: list[Shard], keep: int | None = None, best_step: int | None = None) -> None:
        self.step = step
        self.shards = shards
        self.keep = keep
        self.best_step = best_step


class StrategyRank(Protocol):
    """What a strategy sees of its rank: the public face of ``rank.Rank``, and the state to be loaded on resume."""

    index: int
    world_size: int
    node: int
    local_index: int
    nodes: int
    ranks_per_node: int
    root: Path
    attempt: int

    def barrier(self) -> None: ...
    def broadcast(self, value: object, source: int = 0) -> object: ...
    def gather(self, value: object, destination: int = 0) -> list[object] | None: ...
    def all_gather(self, value: object) -> list[object]: ...
    def all_reduce_max(self, value: int) -> int: ...
    def all_reduce_min(self, value: int) -> int: ...
    def new_group(self, ranks: Sequence[int]) -> object: ...
    def background(self, function: Callable[[], object]) -> object: ...
    def fresh_state(self, step: int) -> State:
        """A state of ``step`` with every shard that this rank needs to resume there, none of them loaded yet.

        A rank that has reached ``step`` holds the same content in memory (its own part, and what all ranks share), so
        that these shards can also be saved: that is how a rank writes a copy of what another rank writes elsewhere.
        """
        ...


class Strategy(Protocol):
    """A checkpoint protocol.

    Two more methods are optional. ``rotate(rank, keep)`` is called after ``save``. ``recover(rank, checkpoint,
    state)`` is called on every rank of a restarted job, once, when all that it resumes from has been loaded: it
    removes what the dead attempt left behind. ``pick`` and ``load`` change nothing: others may call them meanwhile.
    """

    def save(self, rank: StrategyRank, state: State, step: int) -> None: ...
    def pick(self, rank: StrategyRank) -> Path | None: ...
    def load(self, rank: StrategyRank, checkpoint: Path) -> State: ...
