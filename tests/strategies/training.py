"""The training job of these tests: save at every step, rotate, die, start again, and what a restart would take."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simulator.forms import form_for
from simulator.layouts.shards import ShardSpec
from simulator.layouts.trainer import ddp, zero
from simulator.state import Shard, Stamp, State
from tests.strategies.ranks import InTestRank, Job

LAYOUTS = {"ddp": ddp, "zero": zero}
FROZEN = ShardSpec("frozen.safetensors", "model", 0, 4096, None, False)


class Training:
    """A job in a directory, attempt after attempt."""

    def __init__(
        self,
        root: Path,
        strategy: Callable[[], Any],
        *,
        layout: str = "ddp",
        nodes: int = 2,
        ranks_per_node: int = 1,
        keep: int | None = 1,
        best: int | None = None,
        frozen: bool = False,
    ) -> None:
        self.root = root
        self.strategy = strategy
        self.keep, self.best = keep, best
        self.shape: dict[str, Any] = {"nodes": nodes, "ranks_per_node": ranks_per_node}
        self.specs = [*([FROZEN] if frozen else []), *LAYOUTS[layout](nodes * ranks_per_node)]
        self.attempt = 0
        self.promised = 0
        self._saved: dict[int, int] = {}
        self._forms = {spec.role: form_for("bytes", spec.role) for spec in self.specs}

    def run(self, steps: int, *, first: int | None = None, judge: bool = False, **how: Any) -> Job:
        """One attempt up to ``steps``. ``judge``: at every instant, what a restart would take must be whole."""
        job = Job(self.root, self.fresh_states, attempt=self.attempt, observe=self.resumable if judge else None,
                  **self.shape, **how)  # fmt: skip
        self._saved = {}
        self.attempt += 1

        def program(rank: InTestRank) -> None:
            strategy = self.strategy()
            start = self._resume(strategy, rank) if rank.attempt else 0
            for step in range(start + 1 if first is None else first, steps + 1):
                rank.all_reduce_max(step)
                strategy.save(rank, self._state(step, lambda spec: spec.writer == rank.index), step)
                self._saved[rank.index] = step
                if len(self._saved) == rank.world_size:
                    self.promised = max(self.promised, min(self._saved.values()))

        return job.run(program)

    def resumable(self) -> int:
        """The step that a restart would resume from, 0 for none. Fails if it is not whole or breaks a promise."""
        job = Job(self.root, self.fresh_states, attempt=self.attempt + 1, **self.shape).run(self._take)
        assert job.errors == {}, f"a restart fails: {[str(error) for error in job.errors.values()]}"
        assert job.hangs == [], f"a restart hangs: ranks {job.hangs}"
        steps = set(job.results.values())
        assert len(steps) == 1, f"the ranks disagree: {job.results}"
        step = int(steps.pop())
        assert step >= self.promised, f"a restart would resume from {step}, but {self.promised} was saved"
        return step

    def copies(self) -> dict[str, list[str]]:
        """Where the files of checkpoints lie, by their names in the layout."""
        files = sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())
        patterns = {s.name: re.compile("(.*/)?" + re.escape(s.name).replace(r"\{step\}", r"\d+")) for s in self.specs}
        return {name: [path for path in files if pattern.fullmatch(path)] for name, pattern in patterns.items()}

    def fresh_states(self, index: int) -> Callable[[int], State]:
        return lambda step: self._state(step, lambda spec: spec.readers is None or index in spec.readers)

    def _resume(self, strategy: Any, rank: InTestRank) -> int:
        checkpoint = strategy.pick(rank)
        if checkpoint is None:
            return 0
        state = strategy.load(rank, checkpoint)
        if hasattr(strategy, "recover"):
            strategy.recover(rank, checkpoint, state)
        return int(state.step)

    def _take(self, rank: InTestRank) -> int:
        strategy = self.strategy()
        checkpoint = strategy.pick(rank)
        if checkpoint is None:
            return 0
        state = strategy.load(rank, checkpoint)
        assert {shard.name: shard.loaded for shard in state.shards} == {s.name: s.stamp for s in state.shards}
        assert len(state.shards) == sum(spec.readers is None or rank.index in spec.readers for spec in self.specs)
        return int(state.step)

    def _state(self, step: int, wanted: Callable[[ShardSpec], bool]) -> State:
        best = self.best if self.best is not None and step >= self.best else None
        return State(step, [self._shard(spec, step) for spec in self.specs if wanted(spec)], self.keep, best)

    def _shard(self, spec: ShardSpec, step: int) -> Shard:
        stamp = Stamp(spec.name, step if spec.changes else 0)
        return Shard(spec.name.format(step=step), spec.role, spec.size, stamp, self._forms[spec.role])
