"""What a restart would take at this instant, and whether that is a whole checkpoint.

This is the fault ``job-death``: at every instant the job may die, and ``pick`` and ``load`` run on what is left.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from simulator.filesystems import Filesystem
from simulator.invariants.viewer import glance
from simulator.invariants.violation import Violation, text_of
from simulator.job import step_of
from simulator.operations import Thing
from simulator.rank import Rank
from simulator.state import Stamp
from simulator.workload import BoundWorkload


class Seen(msgspec.Struct, frozen=True):
    """What a restart would do: resume from ``step`` (None: start from nothing), or run into ``problem``.

    ``unknown`` says that it would resume from something whose step nothing tells; then ``step`` is None, too.
    ``looked`` are the times and link counts that were read on the way. ``whole`` are the steps of which every file is
    there, whether a restart would take them or not; looked for only where a workload has a best step.
    """

    step: int | None = None
    problem: Violation | None = None
    looked: frozenset[Thing] = frozenset()
    whole: frozenset[int] = frozenset()
    unknown: bool = False


class Probe(Protocol):
    """Finds out what a restart would do on a file system as it is now."""

    def look(self, filesystem: Filesystem, attempt: int) -> Seen: ...


class StrategyProbe:
    """Runs a strategy's ``pick`` and ``load`` on every rank, as the next attempt of the job would."""

    def __init__(
        self, factory: Callable[[], Any], bound: BoundWorkload, *, nodes: int, world_size: int, root: str
    ) -> None:
        self._factory = factory
        self._bound = bound
        self._nodes = nodes
        self._world_size = world_size
        self._root = root

    def look(self, filesystem: Filesystem, attempt: int) -> Seen:
        """Judge ``complete``, ``content`` and ``agree`` of what would be picked."""
        result = glance(
            filesystem,
            self._resume,
            nodes=self._nodes,
            world_size=self._world_size,
            root=self._root,
            attempt=attempt + 1,
            fresh_states=self._bound.fresh_for,
        )
        problem, step = self._assess(result.endings, result.waiting)
        whole = self._whole(filesystem, attempt) if self._bound.best is not None else frozenset()
        unknown = step is None and any(ending.value is not None for ending in result.endings.values())
        return Seen(step, problem, result.looked, whole, unknown)

    def _whole(self, filesystem: Filesystem, attempt: int) -> frozenset[int]:
        """The steps of which every file of a checkpoint is somewhere in the tree, whole."""
        ending = glance(filesystem, self._survey, nodes=1, world_size=1, root=self._root, attempt=attempt + 1).endings[
            0
        ]
        if ending.error is not None:
            raise ending.error
        stamps: set[Stamp] = ending.value
        steps = {stamp.version for stamp in stamps}
        return frozenset(
            step for step in steps if all(self._bound.expected(spec, step) in stamps for spec in self._bound.specs)
        )

    def _survey(self, rank: Rank) -> set[Stamp]:
        found = set()
        for directory, _, names in os.walk(rank.root):
            for name in names:
                stamp = self._bound.identify(os.path.join(directory, name))
                if stamp is not None:
                    found.add(stamp)
        return found

    def _resume(self, rank: Rank) -> tuple[str, int | None, Violation | None] | None:
        strategy = self._factory()
        checkpoint = strategy.pick(rank)
        if checkpoint is None:
            return None
        checkpoint = Path(checkpoint)
        state = strategy.load(rank, checkpoint) if hasattr(strategy, "load") else None
        step = step_of(checkpoint, state)
        return checkpoint.name, step, self._check(rank, checkpoint, step, state)

    def _check(self, rank: Rank, checkpoint: Path, step: int | None, state: Any) -> Violation | None:
        """Whether what was loaded is this rank's content of that step; read from the files where ``load`` tells not."""
        if step is None:
            return None
        shards = getattr(state, "shards", None)
        loaded = {shard.name: shard.loaded for shard in shards} if isinstance(shards, list) else {}
        for shard in self._bound.to_check(rank.index, step):
            stamp = loaded.get(shard.name)
            if stamp is None:
                path = checkpoint / shard.name
                shard.load(path if path.exists() else next(checkpoint.rglob(path.name), path))
                stamp = shard.loaded
            if stamp is not None and stamp != shard.stamp:
                return Violation(
                    "content",
                    f"a restart picks {checkpoint.name} and takes it for step {step}, but {shard.name} in it holds "
                    f"{stamp.name.format(step=stamp.version)} of step {stamp.version}",
                    rank.index,
                )
        return None

    def _assess(self, endings: dict[int, Any], waiting: dict[int, str]) -> tuple[Violation | None, int | None]:
        for rank in sorted(endings):
            error = endings[rank].error
            if error is not None:
                torn = isinstance(error, ValueError | EOFError) and not isinstance(error, OSError)
                return Violation(
                    "content" if torn else "complete", f"a restart fails: {text_of(error, self._root)}", rank
                ), None
            if endings[rank].value is not None and endings[rank].value[2] is not None:
                return endings[rank].value[2], None
        if waiting:
            return Violation(
                "no-hang",
                f"a restart hangs: ranks {sorted(waiting)} wait for {', '.join(sorted(set(waiting.values())))}",
            ), None
        picks = {rank: ending.value and ending.value[:2] for rank, ending in endings.items()}
        steps = {pick[1] if pick else None for pick in picks.values()}
        if len(steps) > 1:
            said = ", ".join(f"rank {rank}: {pick[0] if pick else 'nothing'}" for rank, pick in sorted(picks.items()))
            return Violation("agree", f"the ranks of a restart would resume from different checkpoints: {said}"), None
        return None, steps.pop() if steps else None
