"""The workload of a scenario made concrete: which shards each rank writes and reads at a step, with what content."""

from __future__ import annotations

import os
from collections.abc import Callable

from simulator import forms, layouts
from simulator.layouts.shards import ShardSpec
from simulator.operations import Extent
from simulator.scenario import Scenario
from simulator.state import Form, Shard, Stamp, State


class BoundWorkload:
    """Shards by rank and step, for one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        workload = scenario.workload
        world_size = scenario.cluster.world_size
        self.keep = workload.keep
        self.best = workload.best
        self.specs = layouts.files_of(workload, scenario.cluster)
        self.names = layouts.Names(self.specs)
        self._forms: dict[str, Form] = {}
        self._own: dict[str, Form] = {}
        self._form_name = workload.form
        self._written: list[list[ShardSpec]] = [[] for _ in range(world_size)]
        self._read_by_all: list[ShardSpec] = []
        self._read_by: list[list[ShardSpec]] = [[] for _ in range(world_size)]
        for spec in self.specs:
            self._form(spec)  # an unknown form is refused here, not in the middle of a run
            self._written[spec.writer].append(spec)
            if spec.readers is None:
                self._read_by_all.append(spec)
            else:
                for reader in spec.readers:
                    self._read_by[reader].append(spec)

    def to_save(self, rank: int, step: int) -> State:
        """The state that a save of ``step`` gets on ``rank``: the shards that it writes."""
        return State(step, [self._shard(spec, step) for spec in self._written[rank]], self.keep, self._best(step))

    def to_load(self, rank: int, step: int) -> State:
        """An empty state of ``step`` with every shard that ``rank`` needs to resume there.

        It knows the best step, as a real job does from the trainer state that it loads.
        """
        specs = (*self._read_by_all, *self._read_by[rank])
        return State(step, [self._shard(spec, step) for spec in specs], self.keep, self._best(step))

    def to_check(self, rank: int, step: int) -> list[Shard]:
        """What ``rank`` looks at to tell whether a checkpoint is whole: what it loads, and what it wrote for nobody.

        A gathered model under ZeRO is not read on resume, yet a checkpoint without it is not what was saved.
        """
        unread = [spec for spec in self._written[rank] if spec.readers == ()]
        return [*self.to_load(rank, step).shards, *(self._shard(spec, step) for spec in unread)]

    def expected(self, spec: ShardSpec, step: int) -> Stamp:
        """What the content of a file must be in a checkpoint of ``step``."""
        return Stamp(spec.name, step if spec.changes else 0)

    def identify(self, path: str) -> Stamp | None:
        """What the file at ``path`` holds, if its name is that of a checkpoint's file and its content is whole."""
        for spec in self.names.of(path):
            try:
                return self._form(spec).read(path, spec.name, spec.size)
            except (OSError, ValueError, EOFError):
                return None
        return None

    def put_form(self, name: str, form: Form) -> None:
        """Give the file of that name in the layout a form of its own, whatever the workload's."""
        self._own[name] = form

    def fresh_for(self, rank: int) -> Callable[[int], State]:
        """``to_load`` of one rank, as its ``fresh_state``."""
        return lambda step: self.to_load(rank, step)

    def _best(self, step: int) -> int | None:
        return self.best if self.best is not None and step >= self.best else None

    def _shard(self, spec: ShardSpec, step: int) -> Shard:
        name = spec.name.format(step=step) if "{" in spec.name else spec.name
        return Shard(name, spec.role, spec.size, self.expected(spec, step), self._form(spec))

    def _form(self, spec: ShardSpec) -> Form:
        """Files of one role have the same form, unless each begins in its own way, or has got one of its own."""
        if self._own and spec.name in self._own:
            return self._own[spec.name]
        key = spec.name if spec.header else spec.role
        form = self._forms.get(key)
        if form is None:
            form = self._forms[key] = forms.form_for(self._form_name, spec.role, _write_extent, spec.header)
        return form


def _write_extent(fd: int, size: int) -> None:
    """Within a simulation, where a write of so many bytes is an operation that takes its time and moves none."""
    os.write(fd, Extent(size))  # type: ignore[arg-type]
