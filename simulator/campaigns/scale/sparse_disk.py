"""A checkpoint at its own size on a real disk: saved by real processes into sparse files, and looked at file by file.

A sparse file has its true size and takes a block or two. That shows names, sizes, headers and the work of many
processes on one directory; it says nothing about time, since no bytes are moved.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from simulator.boundary import installed
from simulator.campaigns.replay.disk import disk_runs
from simulator.engines.interface import Engine
from simulator.errors import UsageError
from simulator.experiment import Experiment
from simulator.invariants import Violation
from simulator.invariants.violation import text_of
from simulator.layouts.shards import ShardSpec
from simulator.scenario import Budgets, Cluster, Scenario, StrategyChoice, Workload
from simulator.schedulers.replay import TapeReplay
from simulator.state import Stamp
from simulator.tape import Tape
from simulator.workload import BoundWorkload

_BLOCK = 512
"""The unit of ``st_blocks``, whatever the file system's own block is (stat(2))."""

_OPERATIONS_PER_RANK = 1_000
_WALL_SECONDS = 600.0


class Saved(msgspec.Struct, frozen=True):
    """What lay on the disk when the job had ended.

    ``files`` of the layout were there, with ``size`` bytes, of which the disk has ``allocated``; ``tensors`` are those
    that the headers of safetensors files name. ``others`` are files of the strategy's own. ``problems`` says, a line
    each, what is missing or not what it should be. ``processes`` wrote it, on a file system of the type ``filesystem``.
    """

    strategy: str
    processes: int
    filesystem: str
    files: int
    size: int
    allocated: int
    tensors: int
    others: list[str]
    problems: list[str]


def save_sparse(strategy: StrategyChoice, workload: Workload, cluster: Cluster, directory: Path | None = None) -> Saved:
    """Let a job with real processes save once, below ``directory`` (None: a temporary one), and look at what is there.

    Everything is removed again. Raises UsageError for a job that makes no sense, and for a directory in which nothing
    can be written.
    """
    workload = msgspec.structs.replace(workload, form="sparse", steps=1, save_every=1, step_seconds=0.0)
    experiment = Experiment(
        Scenario(
            cluster=cluster,
            workload=workload,
            strategy=strategy,
            budgets=Budgets(operations=_OPERATIONS_PER_RANK * cluster.world_size, wall_seconds=_WALL_SECONDS),
        )
    )
    assert experiment.bound is not None
    inspectors: list[_Inspector] = []
    with installed(), disk_runs(experiment, directory) as disk:

        def judge_by(_: object) -> _Inspector:
            assert experiment.bound is not None
            inspectors.append(_Inspector(experiment.bound, disk.root))
            return inspectors[-1]

        run = disk.run(lambda: TapeReplay(Tape()), judge_by=judge_by)
        filesystem = disk.filesystem
    if run.incomplete is not None:
        raise UsageError(f"the job did not end: {run.incomplete}")
    found = inspectors[-1]
    return Saved(
        strategy=strategy.name,
        processes=cluster.world_size,
        filesystem=filesystem,
        files=found.files,
        size=found.size,
        allocated=found.allocated,
        tensors=found.tensors,
        others=found.others,
        problems=found.problems,
    )


class _Inspector:
    """A judge that looks at the directory when the job has ended, and at nothing before."""

    excused = False

    def __init__(self, bound: BoundWorkload, root: Path) -> None:
        self._bound = bound
        self._root = root
        self.files = self.size = self.allocated = self.tensors = 0
        self.others: list[str] = []
        self.problems: list[str] = []

    def begin(self) -> None:
        """See ``run.Judge``."""

    def observe(self, engine: Engine) -> Violation | None:
        """See ``run.Judge``."""
        return None

    def finish(self, engine: Engine, *, died: bool) -> Violation | None:
        """See ``run.Judge``: name, size and header of every file of the layout."""
        for rank, ending in sorted(engine.endings.items()):
            if ending.error is not None:
                self.problems.append(f"rank {rank} raised {text_of(ending.error, str(self._root))}")
        missing = {spec.name: spec for spec in self._bound.specs}
        for path in sorted(self._root.rglob("*")):
            if not path.is_file():
                continue
            named = self._bound.names.of(str(path.relative_to(self._root)))
            if not named:
                self.others.append(str(path.relative_to(self._root)))
            for spec in named:
                missing.pop(spec.name, None)
                self._look(path, spec)
        self.problems += [f"{name} is missing" for name in missing]
        return None

    def _look(self, path: Path, spec: ShardSpec) -> None:
        status = path.stat()
        self.files += 1
        self.size += status.st_size
        self.allocated += status.st_blocks * _BLOCK
        place = path.relative_to(self._root)
        if status.st_size != spec.size and spec.role != "pointer":
            self.problems.append(f"{place} has {status.st_size:,} bytes, not {spec.size:,}")
        if self._bound.identify(str(path)) != Stamp(spec.name, 1 if spec.changes else 0):
            self.problems.append(f"{place} does not hold what the job saved")
        if spec.header:
            self._read(path, spec)

    def _read(self, path: Path, spec: ShardSpec) -> None:
        """Open a safetensors file with its own library, which checks the header against the file's size."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as content:
                self.tensors += len(list(content.keys()))
        except SafetensorError as error:
            self.problems.append(f"{path.relative_to(self._root)} is no safetensors file: {error}")
