"""Learns from an undisturbed run what a whole checkpoint of a plain program looks like."""

from __future__ import annotations

from typing import Any

from simulator.filesystems import Filesystem
from simulator.invariants.restart import FunctionProbe
from simulator.invariants.violation import Violation


class Learner:
    """Stands in for the judge: judges nothing, and looks whenever every rank has said that a further save returned."""

    def __init__(self, filesystem: Filesystem, probe: FunctionProbe, world_size: int) -> None:
        self._filesystem = filesystem
        self._probe = probe
        self._world_size = world_size
        self._learned = 0
        self.excused = False

    def begin(self) -> None:
        """Nothing is kept between attempts."""

    def observe(self, engine: Any) -> Violation | None:
        """Learn at the moment at which the save of a step has returned everywhere."""
        saved = engine.saved
        if len(saved) == self._world_size and min(saved.values()) > self._learned:
            self._learned = min(saved.values())
            self._probe.learn(self._filesystem, engine.attempt)
        return None

    def finish(self, engine: Any, *, died: bool) -> Violation | None:
        """Nothing is judged."""
        return None
