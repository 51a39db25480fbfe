"""What watches a run at scale: the first violation, the bytes held, and for how long a save leaves the job exposed."""

from __future__ import annotations

from simulator.campaigns.scale.exposure import Exposure
from simulator.engines.interface import Engine
from simulator.experiment import Experiment
from simulator.filesystems import Filesystem
from simulator.filesystems.posix.model import PosixModel
from simulator.filesystems.posix.storage import StorageMeter
from simulator.invariants import Judge, Violation
from simulator.invariants.restart import Seen


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
