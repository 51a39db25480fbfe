"""What watches a run at scale: the first violation, the bytes held, and for how long a save leaves the job exposed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from simulator.engines.interface import Engine, Step
from simulator.experiment import Experiment
from simulator.filesystems import Filesystem
from simulator.filesystems.posix.model import PosixModel
from simulator.filesystems.posix.storage import StorageMeter
from simulator.invariants import Judge, Violation
from simulator.invariants.judge import Verdicts
from simulator.invariants.restart import Seen
from simulator.operations import Close, Dup, Fsync, Open, Rename, Write


class Exposure:
    """Follows the last save of a job that has saved before; an older checkpoint is there when it begins.

    Looks at every state that lasts at least the ``looks``-th part of a save, by the length of the save before. A
    shorter one counts as the one before it, so that there are never more looks than that. A restart that fails, or
    that starts from nothing, counts as exposed.
    """

    __slots__ = ("_before", "_exposed", "_filesystem", "_first", "_last", "_looks", "_period", "_total", "_verdicts")

    def __init__(self, experiment: Experiment, verdicts: Verdicts, filesystem: Filesystem, looks: int) -> None:
        scenario = experiment.scenario
        world_size, workload = scenario.cluster.world_size, scenario.workload
        saves = workload.steps // workload.save_every
        self._first = world_size * (saves - 2)
        self._before = world_size * (saves - 1)
        self._last = world_size * saves
        self._verdicts = verdicts
        self._filesystem = filesystem
        self._looks = looks
        self._period = 0
        self._exposed = False
        self._total = 0

    @property
    def seconds(self) -> float | None:
        """Virtual seconds; None while the save to be followed has not begun, as in a job with a single save."""
        return None if self._period == 0 else self._total / 1e9

    def observe(self, engine: Engine) -> None:
        """The instant after a step: the state lasts until the next operation ends."""
        done, charging = len(engine.saves), engine.charging
        if self._first < 0 or not self._before <= done < self._last or charging is None or not engine.ready:
            return
        if self._period == 0:
            earlier = engine.saves[self._first : self._before]
            length = max(saved.ended for saved in earlier) - min(saved.began for saved in earlier)
            self._period = max(1, length // self._looks)
        lasts = charging.next_end() - charging.now
        if lasts >= self._period:
            seen = self._verdicts.look(self._filesystem, engine.attempt)
            self._exposed = seen.problem is not None or (seen.step is None and not seen.unknown)
        if self._exposed:
            self._total += lasts


class Synced(msgspec.Struct, frozen=True):
    """Bytes written, and those of them in files that were synced after their last write."""

    written: int
    synced: int

    @property
    def everything(self) -> bool:
        """Whether nothing that was written is left to the kernel's write-back."""
        return self.synced == self.written


def synced(steps: Sequence[Step]) -> Synced:
    """What the ranks of one attempt synced, by the same rank, through any descriptor of the same file.

    Whether the names were synced too is not looked at: the faults of power loss judge that.
    """
    paths: dict[tuple[int, int], str] = {}
    pending: dict[tuple[int, str], int] = {}
    written = durable = 0
    for step in steps:
        if step.error is not None:
            continue
        rank, operation = step.rank, step.operation
        match operation:
            case Open(path=path):
                paths[rank, step.value] = path
            case Dup(fd=fd) if (rank, fd) in paths:
                paths[rank, step.value] = paths[rank, fd]
            case Close(fd=fd):
                paths.pop((rank, fd), None)
            case Write(fd=fd) if (rank, fd) in paths:
                written += step.value
                key = (rank, paths[rank, fd])
                pending[key] = pending.get(key, 0) + step.value
            case Fsync(fd=fd) if (rank, fd) in paths:
                durable += pending.pop((rank, paths[rank, fd]), 0)
            case Rename(source=source, target=target) if (rank, source) in pending:
                pending[rank, target] = pending.pop((rank, source))
            case _:
                pass
    return Synced(written, durable)


class EndOfSaves:
    """Picks the instants at which a further save has returned on every rank, and the one at which nobody can go on."""

    def __init__(self, experiment: Experiment) -> None:
        self._world_size = experiment.scenario.cluster.world_size
        self._seen = 0

    def __call__(self, engine: Engine) -> bool:
        """Whether the instant is one of them."""
        saves = len(engine.saves) // self._world_size
        ended, self._seen = saves > self._seen, saves
        return ended or not engine.ready


class Onlooker:
    """A judge that lets the run go on, and keeps the first violation.

    ``looks`` is how often, in the last save, it is looked for what a restart would find; none by default.
    """

    excused = False

    def __init__(self, experiment: Experiment, filesystem: Filesystem, looks: int = 0) -> None:
        self._judge: Judge = experiment.judge(filesystem, when=EndOfSaves(experiment))
        self._verdicts = experiment.verdicts
        self._filesystem = filesystem
        self._meter = StorageMeter(filesystem) if isinstance(filesystem, PosixModel) else None
        self._exposure: Exposure | None = None
        if looks and experiment.verdicts is not None:
            self._exposure = Exposure(experiment, experiment.verdicts, filesystem, looks)
        self.violation: Violation | None = None
        self.left = ""

    @property
    def storage_peak(self) -> int | None:
        """The most bytes that the files held at any time, None where the file system does not tell."""
        return None if self._meter is None else self._meter.peak

    @property
    def exposed(self) -> float | None:
        """Seconds of the last save in which a restart would have found nothing usable; None where nobody looked."""
        return None if self._exposure is None else self._exposure.seconds

    def begin(self) -> None:
        """See ``run.Judge``."""
        self._judge.begin()

    def observe(self, engine: Engine) -> None:
        """See ``run.Judge``; nothing is judged after the first violation."""
        if self._meter is not None:
            self._meter.observe()
        if self._exposure is not None and engine.attempt == 0:
            self._exposure.observe(engine)
        if self.violation is None:
            self.violation = self._judge.observe(engine)

    def finish(self, engine: Engine, *, died: bool) -> None:
        """See ``run.Judge``."""
        if self.violation is None:
            self.violation = self._judge.finish(engine, died=died)
        if self._verdicts is not None and engine.attempt == 0:
            self.left = _said(self._verdicts.look(self._filesystem, engine.attempt))


def _said(seen: Seen) -> str:
    if seen.problem is not None:
        return seen.problem.message
    return f"a restart would {'start from nothing' if seen.step is None else f'resume from step {seen.step}'}"
