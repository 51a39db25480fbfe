"""A job of a few ranks on a real directory, interleaved at every call of the operating system, without the simulator.

Small on purpose, and independent of the engines: what it finds about a strategy, it finds without them. A rank is a
greenlet; before each call of ``os`` it lets a seeded choice say who goes next. A rank that dies raises ``Death`` at
that call and at all later ones, as if SIGKILL had come: it changes nothing any more.
"""

from __future__ import annotations

import builtins
import copy
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

from greenlet import getcurrent, greenlet

CALLS = (
    "open", "mkdir", "rmdir", "rename", "replace", "unlink", "link", "fsync", "stat", "lstat", "listdir", "scandir",
)  # fmt: skip
CHANGES = frozenset({"create", "write", "mkdir", "rmdir", "rename", "replace", "unlink", "link"})


class Death(BaseException):
    """The rank is dead. Not an Exception: no strategy may survive it."""


class Collectives:
    """What the ranks have brought to each collective, by its position in their order."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.brought: list[dict[int, tuple[str, Any]]] = []

    def complete(self, position: int, index: int) -> bool:
        brought = self.brought[position]
        name, _, one = next(iter(brought.values()))[0].split()
        if name == "gather" and index != int(one):
            return True
        return int(one) in brought if name == "broadcast" else len(brought) == self.size


class InTestRank:
    """One rank, with the public face that strategies see."""

    def __init__(self, job: Job, index: int) -> None:
        self.index = index
        self.nodes, self.ranks_per_node = job.nodes, job.ranks_per_node
        self.world_size = job.world_size
        self.node, self.local_index = divmod(index, job.ranks_per_node)
        self.root = job.root
        self.attempt = job.attempt
        self.fresh_state = job.fresh_states(index)
        self.calls = 0
        self.dead = False
        self.position = 0
        self.waits = False
        self._job = job

    def barrier(self) -> None:
        self._collective("barrier from 0", None)

    def broadcast(self, value: object, source: int = 0) -> object:
        mine = value if self.index == source else None
        return self._collective(f"broadcast from {source}", mine)[source]

    def gather(self, value: object, destination: int = 0) -> list[object] | None:
        brought = self._collective(f"gather to {destination}", value)
        return [value for _, value in sorted(brought.items())] if self.index == destination else None

    def all_gather(self, value: object) -> list[object]:
        return [value for _, value in sorted(self._collective("all_gather from 0", value).items())]

    def all_reduce_max(self, value: int) -> int:
        return int(max(self._collective("all_reduce_max from 0", value).values()))

    def all_reduce_min(self, value: int) -> int:
        return int(min(self._collective("all_reduce_min from 0", value).values()))

    def new_group(self, ranks: Sequence[int]) -> object:
        raise NotImplementedError

    def background(self, function: Callable[[], object]) -> object:
        raise NotImplementedError

    def _collective(self, name: str, value: Any) -> dict[int, Any]:
        brought = self._job.collectives.brought
        if self.position == len(brought):
            brought.append({})
        here = brought[self.position]
        assert all(other == name for other, _ in here.values()), f"rank {self.index} issued {name}, others {here}"
        here[self.index] = (name, copy.deepcopy(value))
        while not self._job.collectives.complete(self.position, self.index):
            self.waits = True
            self._job.pause()
        self.waits = False
        self.position += 1
        return {rank: copy.deepcopy(value) for rank, (_, value) in here.items()}


class Job:
    """One attempt of a job. ``kill``: (rank, its n-th call, how many calls the others still do before they end too).

    ``seed``: None lets a rank run until it has to wait; with an even seed each call is anybody's turn, with an odd one
    the ranks have an order of precedence that changes now and then, since some races need one rank to do a lot while
    another stands still. ``observe`` is called after every change, on behalf of nobody. ``log`` holds (rank, call,
    arguments) of every call.
    """

    def __init__(
        self,
        root: Path,
        fresh_states: Callable[[int], Callable[[int], Any]],
        *,
        nodes: int = 2,
        ranks_per_node: int = 1,
        attempt: int = 0,
        seed: int | None = None,
        kill: tuple[int, int, int] | None = None,
        observe: Callable[[], object] | None = None,
    ) -> None:
        self.root = root
        self.fresh_states = fresh_states
        self.nodes, self.ranks_per_node, self.world_size = nodes, ranks_per_node, nodes * ranks_per_node
        self.attempt = attempt
        self.collectives = Collectives(self.world_size)
        self.ranks = [InTestRank(self, index) for index in range(self.world_size)]
        self.results: dict[int, Any] = {}
        self.errors: dict[int, Exception] = {}
        self.died = False
        self.log: list[tuple[int, str, tuple[Any, ...]]] = []
        self._random = Random(seed) if seed is not None else None
        self._ordered = bool((seed or 0) % 2)
        self._precedence = list(range(self.world_size))
        if self._random is not None:
            self._random.shuffle(self._precedence)
        self._kill = kill
        self._changed = True
        self._observe = observe
        self._greenlets: list[greenlet] = []
        self._hub = getcurrent()

    def run(self, program: Callable[[InTestRank], Any]) -> Job:
        """Run the program on every rank until all have ended, or the job has died, or nobody can go on."""
        self._hub = getcurrent()
        self._greenlets = [greenlet(self._body(rank, program)) for rank in self.ranks]
        left: int | None = None
        with patched(self):
            last = 0
            while ready := [r.index for r in self.ranks if self._can_go_on(r)]:
                if any(rank.dead for rank in self.ranks):
                    left = self._kill[2] if left is None and self._kill else left
                    if not left:
                        break
                    left -= 1
                if self._observe is not None and self._changed:
                    self._observe()
                    self._changed = False
                last = self._next(ready, last)
                self._greenlets[last].switch()
            self.died = any(rank.dead for rank in self.ranks)
            for rank, body in zip(self.ranks, self._greenlets, strict=True):
                rank.dead = rank.dead or not body.dead
                with suppress(Death):  # one that had not begun throws it back
                    body.throw(Death)
        return self

    @property
    def hangs(self) -> list[int]:
        return [] if self.died else [rank.index for rank in self.ranks if rank.dead]

    def pause(self) -> None:
        self._hub.switch()

    def call(self, rank: InTestRank, name: str, arguments: tuple[Any, ...]) -> None:
        """A rank is about to do a call."""
        if not rank.dead:
            self.pause()
            rank.calls += 1
            if self._kill is not None and (rank.index, rank.calls) == self._kill[:2]:
                rank.dead = True
        if rank.dead:
            raise Death
        self.log.append((rank.index, name, arguments))
        self._changed = self._changed or name in CHANGES

    def of_current(self) -> InTestRank | None:
        current = getcurrent()
        return self.ranks[self._greenlets.index(current)] if current in self._greenlets else None

    def _can_go_on(self, rank: InTestRank) -> bool:
        if self._greenlets[rank.index].dead:
            return False
        return not rank.waits or self.collectives.complete(rank.position, rank.index)

    def _next(self, ready: list[int], last: int) -> int:
        if self._random is not None:
            if not self._ordered or self._random.random() < 0.05:
                self._random.shuffle(self._precedence)
            return next(rank for rank in self._precedence if rank in ready)
        return last if last in ready else next((rank for rank in ready if rank > last), ready[0])

    def _body(self, rank: InTestRank, program: Callable[[InTestRank], Any]) -> Callable[[], None]:
        def body() -> None:
            try:
                self.results[rank.index] = program(rank)
            except Exception as error:
                self.errors[rank.index] = error
            except Death:
                pass

        return body


@contextmanager
def patched(job: Job) -> Iterator[None]:
    """Let the job's ranks ask before each call; all other callers pass through."""

    def wrapped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            rank = job.of_current()
            if rank is not None:
                job.call(rank, name, arguments)
                if name == "fsync":
                    return None  # a real disk would only be slow
            return function(*arguments, **options)

        return call

    def open_file(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        rank = job.of_current()
        if rank is not None:
            job.call(rank, "create" if "w" in mode else "open", (file,))
        opened = before[1](file, mode, *arguments, **options)
        if rank is not None and "w" in mode:
            try:
                job.call(rank, "write", (file,))
            except Death:
                opened.close()
                raise
        return opened

    before = {name: getattr(os, name) for name in CALLS}, builtins.open
    for name, function in before[0].items():
        setattr(os, name, wrapped(name, function))
    builtins.open = open_file
    try:
        yield
    finally:
        for name, function in before[0].items():
            setattr(os, name, function)
        builtins.open = before[1]
