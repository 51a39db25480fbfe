"""Learns from an undisturbed run what a whole checkpoint of a plain program looks like."""

from __future__ import annotations

from typing import Any

from simulator.filesystems import Filesystem
from simulator.invariants.plain import FunctionProbe
from simulator.invariants.violation import Violation


class Learner:
    """Stands in for the judge: judges nothing, and looks whenever every rank has said that a further save returned.

    Where that gives nothing, it looks when all have returned.
    """

    def __init__(self, filesystem: Filesystem, probe: FunctionProbe, world_size: int) -> None:
        self._filesystem = filesystem
        self._probe = probe
        self._world_size = world_size
        self._learned = 0
        self.excused = False

    @property
    def nothing_to_judge(self) -> bool:
        """Whether no save was ever declared and nothing was ever picked."""
        return not self._learned and not self._probe.has_learned

    def begin(self) -> None:
        """Nothing is kept between attempts."""

    def observe(self, engine: Any) -> Violation | None:
        """Learn at the moment at which the save of a step has returned everywhere."""
        saved = engine.saved
        if len(saved) == self._world_size and min(saved.values()) > self._learned:
            self._learned = min(saved.values())
            self._probe.learn(self._filesystem, engine.attempt, self._learned)
        return None

    def finish(self, engine: Any, *, died: bool) -> Violation | None:
        """Learn at the end what was not to be learned before."""
        ended = len(engine.endings) == self._world_size and not engine.failed
        if not self._probe.has_learned and ended and not died:
            self._probe.learn(self._filesystem, engine.attempt, None)
        return None
