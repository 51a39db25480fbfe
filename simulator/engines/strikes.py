"""The faults of one attempt, as a plan (a tape) says: asked for before each operation, and for an outage after it."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from simulator.engines.interface import Engine, Instead, Step
from simulator.engines.stale import StaleViews
from simulator.errors import UsageError
from simulator.faults import ErrorRule
from simulator.filesystems.durability import Change, drawn_losses, durable_of, losses_in_words
from simulator.operations import Extent, Fsync, Open, Operation, Write, paths_of
from simulator.tape import Address


class Strikes:
    """``killed``: a fault after which the launcher ends the job. ``struck`` are (steps done before, what struck).

    With ``has_outage`` the power may fail, so ``after`` must be called. ``record`` is given each choice that had an
    effect.
    """

    def __init__(
        self,
        plan: Mapping[Address, int],
        attempt: int,
        engine: Engine,
        rules: Sequence[ErrorRule],
        ranks_per_node: int,
        record: dict[Address, int],
        filesystem: Any = None,
    ) -> None:
        self._plan = plan
        self._attempt = attempt
        self._engine = engine
        self._rules = rules
        self._ranks_per_node = ranks_per_node
        self._record = record
        self._filesystem = filesystem
        self._matched: dict[tuple[int, int], int] = {}
        self._opened = OpenedPaths() if any(rule.path != "*" for rule in rules) else None
        planned = {address[1] for address in plan if address[0] == attempt}
        self.is_wanted = bool(rules) or not planned.isdisjoint(("kill", "hang", "stale"))
        self._stale = StaleViews(ranks_per_node) if "stale" in planned else None
        self._stale_so_far: dict[int, int] = {}
        self.has_outage = "power" in planned
        self.killed = False
        self.struck: list[tuple[int, str]] = []

    def __call__(self, task: int, n: int, operation: Operation) -> OSError | Instead | None:
        """See ``engines.interface.Strike``."""
        rank = task % self._engine.world_size
        value = self._choice("kill", task, n)
        if value:
            self._end(rank, value == 2, self._engine.kill)
            self._note(f"node {rank // self._ranks_per_node} dies" if value == 2 else f"rank {rank} is killed")
            return None
        if self._choice("hang", task, n):
            self._end(rank, True, self._engine.hang)
            self._note(f"node {rank // self._ranks_per_node} hangs")
            return None
        stale = self._stale_answer(rank, operation)
        if stale is not None or not self._rules:
            return stale
        paths = self._paths(rank, operation)
        for number, rule in enumerate(self._rules):
            if rule.matches(operation, rank, paths):
                count = self._matched.get((number, rank), 0)
                self._matched[number, rank] = count + 1
                if self._choice(f"error{number}", rank, count):
                    self._note(f"rank {rank}: {rule.in_words(operation)}")
                    return self._effect(rule, rank, operation)
        return None

    def _stale_answer(self, rank: int, operation: Operation) -> OSError | None:
        """What a stale cache gives, if the plan says that it does at this one of the rank's chances."""
        number = self._stale.answer(self._engine.steps, rank, operation) if self._stale is not None else None
        if number is None:
            return None
        count = self._stale_so_far.get(rank, 0)
        self._stale_so_far[rank] = count + 1
        if not self._choice("stale", rank, count):
            return None
        name = errno.errorcode[number]
        self._note(f"rank {rank}: {type(operation).__name__.lower()} fails with {name} from a stale cache")
        return OSError(number, name)

    def after(self, task: int) -> None:
        """The task has gone on to its next operation (-1: all have come to their first): the power may fail now."""
        if not self.has_outage:
            return
        n = self._engine.position(task) if task >= 0 else 0
        value = self._plan.get((self._attempt, "power", task, n), 0)
        if value:
            self._record[self._attempt, "power", task, n] = 1
            self._lose_power(value)

    def add(self, task: int, outage: Outage) -> None:
        """A power loss after the task's latest step, which nothing had planned, is what a verdict rests on."""
        n = self._engine.position(task) if task >= 0 else 0
        self._record[self._attempt, "power", task, n] = 1
        for rank, number in outage.lost:
            self._record[self._attempt, "lost", rank, number] = 1
        self._note(f"the power fails; lost: {outage.text}")

    def _lose_power(self, value: int) -> None:
        filesystem = durable_of(self._filesystem)
        if filesystem is None:
            raise UsageError("faults.power_losses: the file system has no crash model")
        self.killed = True
        for rank in range(self._engine.world_size):
            self._engine.kill(rank)
        if value == 1:
            planned = [a[2:] for a in self._plan if a[:2] == (self._attempt, "lost")]
            lost = filesystem.pending(planned)
        else:
            lost = drawn_losses(filesystem.ordering(), value)
        for rank, n in filesystem.changes(lost):
            self._record[self._attempt, "lost", rank, n] = 1
        self._note(f"the power fails; lost: {losses_in_words(filesystem, filesystem.ordering().dependent(lost))}")
        self._filesystem.lose_power(lost)

    def _effect(self, rule: ErrorRule, rank: int, operation: Operation) -> OSError | Instead | None:
        if rule.effect == "fail":
            durable = durable_of(self._filesystem)
            if isinstance(operation, Fsync) and durable is not None:
                durable.sync_failed(rank, operation)
            return OSError(rule.number(), rule.errno)
        if rule.effect == "lie":
            return Instead(None)
        if rule.effect == "short":
            assert isinstance(operation, Write)
            return Instead(_shortened(operation))
        if rule.effect == "slow":
            return Instead(operation, round(rule.seconds * 1e9))
        self._end(rank, False, self._engine.hang)
        return None

    def _end(self, rank: int, whole_node: bool, how: Any) -> None:
        self.killed = True
        first = rank - rank % self._ranks_per_node
        for victim in range(first, first + self._ranks_per_node) if whole_node else (rank,):
            how(victim)
        if whole_node and how == self._engine.kill:
            self._filesystem.lose_scratch(rank // self._ranks_per_node)

    def _choice(self, kind: str, who: int, n: int) -> int:
        address = (self._attempt, kind, who, n)
        value = self._plan.get(address, 0)
        if value:
            self._record[address] = value
        return value

    def _note(self, text: str) -> None:
        self.struck.append((len(self._engine.steps), text))

    def _paths(self, rank: int, operation: Operation) -> Sequence[str]:
        if self._opened is None:
            return paths_of(operation)
        return self._opened.of(self._engine.steps, rank, operation)


class Outage(msgspec.Struct, frozen=True):
    """A power loss: what is lost, by the fewest micro-operations, and in words."""

    lost: tuple[Change, ...]
    text: str


class OpenedPaths:
    """By which paths the descriptors of each rank were opened, as the steps so far tell."""

    def __init__(self) -> None:
        self._seen = 0
        self._paths: dict[tuple[int, int], str] = {}

    def of(self, steps: Sequence[Step], rank: int, operation: Operation) -> Sequence[str]:
        """The paths that an operation is about, relative to the root."""
        for step in steps[self._seen :]:
            if isinstance(step.operation, Open) and step.error is None:
                self._paths[step.rank, step.value] = self._whole(step.rank, step.operation.path, step.operation.at)
        self._seen = len(steps)
        if isinstance(number := getattr(operation, "fd", getattr(operation, "target", None)), int):
            known = self._paths.get((rank, number))
            return () if known is None else (known,)
        ats = [getattr(operation, field, None) for field in ("at", "source_at", "target_at")]
        at = next((each for each in ats if each is not None), None)
        return [self._whole(rank, path, at) for path in paths_of(operation)]

    def _whole(self, rank: int, path: str, at: int | None) -> str:
        known = self._paths.get((rank, at)) if at is not None else None
        return os.path.join(known, path) if known else path


def _shortened(operation: Write) -> Write:
    data = operation.data
    half = max(1, len(data) // 2)
    return Write(operation.fd, Extent(half) if isinstance(data, Extent) else data[:half], operation.offset)
