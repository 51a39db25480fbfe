"""All classes of one attempt from one start with one plan of errors."""

from __future__ import annotations

from collections.abc import Callable

from simulator.exhaustive.attempts import Places, Start
from simulator.exhaustive.bounded import BoundedExploration
from simulator.exhaustive.errand import Journey
from simulator.exhaustive.exploration import Exploration
from simulator.exhaustive.injections import Injections, Plan
from simulator.exhaustive.judging import ClassJudge, Instant
from simulator.exhaustive.replayer import Rewindable
from simulator.exhaustive.states import StateJudge
from simulator.exhaustive.walker import Walker
from simulator.experiment import Experiment
from simulator.happens_before import Looks

Reached = Callable[["Unit", Journey, Instant, Rewindable], None]
"""Called with each new state in which the attempt can end."""


class Unit:
    """What explores and judges them. ``injections`` are those of the last run."""

    def __init__(
        self,
        experiment: Experiment,
        start: Start,
        plan: Plan,
        looks: Looks,
        states: StateJudge,
        reached: Reached | None,
        preemptions: int | None = None,
    ) -> None:
        scenario = experiment.scenario
        self.start = start
        self.injections = Injections(scenario.faults.errors, plan, scenario.cluster.world_size)
        bounded = preemptions is not None
        walker = Walker(Places(experiment, start, self.injections).begin, looks, scenario.budgets, bounded)
        replayer = start.replayer(experiment)
        self.exploration: Exploration | BoundedExploration
        if preemptions is None:
            self.exploration = Exploration(walker, replayer)
        else:
            self.exploration = BoundedExploration(walker, preemptions)

        def passed_on(journey: Journey, instant: Instant, filesystem: Rewindable) -> None:
            if reached is not None:
                reached(self, journey, instant, filesystem)

        self.judge = ClassJudge(
            experiment,
            states,
            replayer,
            attempt=start.attempt,
            carried=start.carried,
            deaths=start.can_die,
            reached=None if reached is None else passed_on,
        )
