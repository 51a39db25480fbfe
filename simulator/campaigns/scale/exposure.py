"""For how long a save leaves the job without anything to resume from: what a restart would find, weighted by time."""

from __future__ import annotations

from simulator.engines.interface import Engine
from simulator.experiment import Experiment
from simulator.filesystems import Filesystem
from simulator.invariants.judge import Verdicts


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
