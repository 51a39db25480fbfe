"""A process that makes runs for another one, which holds the tree."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from simulator.engines.channel import Channel, Gone
from simulator.errors import CkptraceError
from simulator.exhaustive.executed import Executed
from simulator.exhaustive.injections import Plan
from simulator.exhaustive.messages import Reply, Request, reply_of
from simulator.exhaustive.report import StartKey
from simulator.exhaustive.states import StateJudge
from simulator.exhaustive.unit import Unit
from simulator.experiment import Experiment
from simulator.happens_before import Looks

_UNITS = 4
"""So many units are kept: what a run shares with one that the same unit has made is cheap."""


def serve(experiment: Experiment, looks: Looks, bounded: bool) -> Callable[[Channel], None]:
    """What the process does, until its channel is closed: it receives requests, and sends a reply or an error."""

    def body(channel: Channel) -> None:
        maker = _Maker(experiment, looks, bounded)
        while True:
            try:
                request: Request = channel.receive()
            except Gone:
                return
            answer: Reply | CkptraceError | str
            try:
                answer = maker.make(request)
            except CkptraceError as error:
                answer = error
            except Exception:
                answer = traceback.format_exc()
            try:
                channel.send(answer)
            except Gone:
                return

    return body


class _Maker:
    def __init__(self, experiment: Experiment, looks: Looks, bounded: bool) -> None:
        self._experiment = experiment
        self._looks = looks
        self._bounded = bounded
        self._states = StateJudge(experiment, looks)
        self._executed = Executed(experiment)
        self._units: dict[tuple[int, Plan], Unit] = {}
        self._known: set[StartKey] = set()

    def make(self, request: Request) -> Reply:
        unit = self._unit(request)
        with self._executed.measured():
            journey = unit.make(request.errand())
            report = unit.judge(journey)
        report.reached = self._executed.take()
        report.starts = [(key, start.without_steps()) for key, start in report.starts if key not in self._known]
        self._known.update(key for key, _ in report.starts)
        return reply_of(report, journey, unit.brought(journey))

    def _unit(self, request: Request) -> Unit:
        key = (request.number, request.plan)
        unit = self._units.pop(key, None)
        if unit is None:
            unit = Unit(self._experiment, request.start, request.plan, self._looks, self._states, self._bounded)
        self._units[key] = unit
        while len(self._units) > _UNITS:
            self._units.pop(next(iter(self._units)))
        return unit
