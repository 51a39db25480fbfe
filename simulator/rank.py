"""What code under test sees of the job: its place in it, the collectives, its root directory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import msgspec

from simulator.operations import Collective, Operation


class Group(msgspec.Struct, frozen=True):
    """A communicator: its ranks, and which of several communicators of the same ranks it is."""

    ranks: tuple[int, ...]
    identity: int


class Handle(Protocol):
    """A background task of a rank."""

    def done(self) -> bool:
        """Whether the function has returned or raised."""
        ...

    def wait(self) -> Any:
        """Wait for the function's end; gives what it returned, raises what it raised."""
        ...


class Process(Protocol):
    """What a rank needs of the engine that runs it."""

    def perform(self, operation: Operation) -> Any:
        """Hand over one operation and wait for its result."""
        ...

    def spawn(self, function: Callable[[], Any]) -> Handle:
        """Start a background task of this rank."""
        ...

    def elapse(self, seconds: float) -> None:
        """Compute for some time: the rank's clock moves on, nobody else notices."""
        ...

    def saving(self) -> None:
        """A save begins on this rank."""
        ...

    def saved(self, step: int) -> None:
        """The save of ``step`` has returned on this rank."""
        ...

    def resumed(self, step: int, name: str) -> None:
        """This rank has resumed from the checkpoint of that name and step."""
        ...


class Rank:
    """One rank of the job. ``root`` is the directory that the ranks of a node share (all ranks, on a shared disk)."""

    def __init__(
        self,
        process: Process,
        *,
        index: int,
        nodes: int,
        ranks_per_node: int,
        root: Path,
        attempt: int = 0,
        fresh_state: Callable[[int], Any] | None = None,
    ) -> None:
        self.index = index
        self.nodes = nodes
        self.ranks_per_node = ranks_per_node
        self.world_size = nodes * ranks_per_node
        self.node, self.local_index = divmod(index, ranks_per_node)
        self.root = root
        self.attempt = attempt
        self.process = process
        self._fresh_state = fresh_state
        self._world = _world(self.world_size)
        self._groups: dict[tuple[int, ...], int] = {}

    def __repr__(self) -> str:
        return f"Rank({self.index} of {self.world_size}, node {self.node})"

    def barrier(self, group: Group | None = None) -> None:
        """Wait until every rank of the group has come here."""
        self._collective("barrier", group)

    def broadcast(self, value: Any, source: int = 0, group: Group | None = None) -> Any:
        """A copy of the value that rank ``source`` gave. The source does not wait for the others."""
        return self._collective("broadcast", group, value if self.index == source else None, source)

    def gather(self, value: Any, destination: int = 0, group: Group | None = None) -> list[Any] | None:
        """Copies of every rank's value, in order of ranks, on rank ``destination``; None on the others.

        The destination waits for all others, which wait for nobody.
        """
        gathered: list[Any] | None = self._collective("gather", group, value, destination)
        return gathered

    def all_gather(self, value: Any, group: Group | None = None) -> list[Any]:
        """Copies of every rank's value, in order of ranks."""
        return list(self._collective("all_gather", group, value))

    def all_reduce_max(self, value: Any, group: Group | None = None) -> Any:
        """The largest value of the group."""
        return self._collective("all_reduce_max", group, value)

    def all_reduce_min(self, value: Any, group: Group | None = None) -> Any:
        """The smallest value of the group."""
        return self._collective("all_reduce_min", group, value)

    def all_reduce_sum(self, value: Any, group: Group | None = None) -> Any:
        """The sum of the group's values."""
        return self._collective("all_reduce_sum", group, value)

    def new_group(self, ranks: Sequence[int]) -> Group:
        """A communicator of its own for some ranks. Every one of them must ask for it, in the same order."""
        members = tuple(sorted(ranks))
        identity = self._groups.get(members, 0) + 1
        self._groups[members] = identity
        return Group(members, identity)

    def background(self, function: Callable[[], Any]) -> Handle:
        """Run ``function`` beside the rank, as a thread or a helper process would."""
        return self.process.spawn(function)

    def saved(self, step: int) -> None:
        """Declare that the save of ``step`` has returned here. A strategy's job does it by itself."""
        self.process.saved(step)

    def fresh_state(self, step: int) -> Any:
        """An empty state of ``step`` (``state.State``) with every shard that this rank must load to resume there.

        Raises TypeError for a plain program, which has no workload.
        """
        if self._fresh_state is None:
            raise TypeError("fresh_state: this rank runs a plain program, not a strategy with a workload")
        return self._fresh_state(step)

    def _collective(self, name: str, group: Group | None, value: Any = None, one: int = 0) -> Any:
        members = self._world if group is None else group
        if group is not None and self.index not in group.ranks:
            raise ValueError(f"{name}: rank {self.index} is not in the group {list(members.ranks)}")
        if name in _ROLES and one not in members.ranks:
            raise ValueError(f"{name}: the {_ROLES[name]} {one} is not in the group {list(members.ranks)}")
        return self.process.perform(Collective(name, members.ranks, members.identity, copied(value), one))


@lru_cache(maxsize=16)
def _world(world_size: int) -> Group:
    """The communicator of all ranks; one object for all of them, so that it is told from others at a glance."""
    return Group(tuple(range(world_size)), 0)


_ROLES = {"broadcast": "source", "gather": "destination"}
"""What the one rank is that a collective goes out from or leads to."""

_IMMUTABLE = (int, float, str, bytes)


def copied(value: Any) -> Any:
    """A value as another process would get it. Raises what ``copy.deepcopy`` raises for a value that has no copy."""
    if value is None or isinstance(value, _IMMUTABLE):
        return value
    return copy.deepcopy(value)
