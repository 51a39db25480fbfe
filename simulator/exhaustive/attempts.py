"""Where an attempt of the job starts: on nothing, or on what an attempt before it left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from simulator.clock import EPOCH
from simulator.engines.conditions import Conditions
from simulator.engines.interface import Engine, Step
from simulator.errors import CannotDo
from simulator.exhaustive.bits import positions_in
from simulator.exhaustive.deaths import Death, death_at
from simulator.exhaustive.errand import Errand, Journey
from simulator.exhaustive.injections import Address, Injections, on_tape, rules_in
from simulator.exhaustive.judging import Carried, Instant
from simulator.exhaustive.patience import Patience
from simulator.exhaustive.replayer import Replayer
from simulator.exhaustive.walker import Walker
from simulator.experiment import Experiment
from simulator.tape import Tape


class Past(msgspec.Struct, frozen=True):
    """What an earlier attempt did: its schedule, the errors that were injected, and how it ended.

    ``grants`` is the same schedule for an engine, each step of ranks that polled in vain by itself.
    """

    schedule: list[int]
    grants: list[int]
    injected: list[Address]
    death: Death | None


class Start(msgspec.Struct, frozen=True):
    """Where an attempt starts: the steps that led there, what is carried over, and which faults are left.

    ``errors`` are how often each error rule may still strike. ``steps`` are None where they are to be found again.
    """

    attempt: int = 0
    pasts: tuple[Past, ...] = ()
    steps: tuple[Step, ...] | None = ()
    carried: Carried = Carried()
    kills: int = 0
    node_kills: int = 0
    errors: tuple[int, ...] = ()

    @classmethod
    def first(cls, experiment: Experiment) -> Start:
        """The start of the whole job."""
        faults = experiment.scenario.faults
        return cls(kills=faults.kills, node_kills=faults.node_kills, errors=tuple(rule.count for rule in faults.errors))

    @property
    def can_die(self) -> bool:
        """Whether a rank may die in this attempt."""
        return self.kills > 0 or self.node_kills > 0

    def without_steps(self) -> Start:
        """The same start as it is sent or written."""
        return self if self.attempt == 0 else msgspec.structs.replace(self, steps=None)

    def with_steps(self, experiment: Experiment) -> Start:
        """The same start with its steps: if they are not there, by making the runs that led to it again."""
        if self.steps is not None:
            return self
        last = self.pasts[-1]
        before = Start(self.attempt - 1, self.pasts[:-1], () if self.attempt == 1 else None).with_steps(experiment)
        rules, world_size = experiment.scenario.faults.errors, experiment.scenario.cluster.world_size
        injections = Injections(rules, frozenset(last.injected), world_size)
        patience = patience_of(experiment, before, injections)
        walker = Walker(Places(experiment, before, injections).begin, patience, budgets=experiment.scenario.budgets)
        journey = walker.make(Errand(last.schedule, [None] * len(last.schedule)))
        taken = [journey.order.steps[position] for position in journey.scheduled[: len(last.schedule)]]
        assert before.steps is not None
        return msgspec.structs.replace(self, steps=(*before.steps, *taken))

    def after(self, journey: Journey, instant: Instant, struck: Mapping[Address, tuple[int, int]]) -> list[Start]:
        """Where the next attempt starts when this one ends at an instant, for each way in which it can."""
        order, cut = journey.order, instant.cut
        positions = list(positions_in(cut))
        taken = [order.steps[position] for position in positions]
        assert self.steps is not None
        steps = (*self.steps, *taken)
        schedule, grants = [step.task for step in taken], journey.grants(positions)
        done = {(step.task, step.n) for step in taken}
        injected = [address for address, step in struck.items() if step in done]
        left = list(self.errors)
        for rule in rules_in(injected):
            left[rule] -= 1
        start = msgspec.structs.replace(
            self, attempt=self.attempt + 1, steps=steps, carried=instant.carried, errors=tuple(left)
        )
        if instant.ended:
            pasts = (*self.pasts, Past(schedule, grants, injected, None))
            return [msgspec.structs.replace(start, pasts=pasts)]
        found = []
        for node in (False, True):
            death = death_at(journey, cut, node=node)
            if death is not None and (self.node_kills if node else self.kills) > 0:
                pasts = (*self.pasts, Past(schedule, [*grants, death.task], injected, death))
                kills, node_kills = self.kills - (not node), self.node_kills - node
                found.append(msgspec.structs.replace(start, pasts=pasts, kills=kills, node_kills=node_kills))
        return found

    def replayer(self, experiment: Experiment) -> Replayer:
        """A file system in the state in which the attempt starts, on which its steps can be carried out and undone."""

        def filesystem() -> Any:
            made = experiment.filesystem()
            if not hasattr(made, "would_wait") or not hasattr(made, "accesses"):
                profile = experiment.scenario.filesystem.profile
                raise CannotDo(f"filesystem.profile: exhaustive search cannot follow {profile}; use local or shared")
            return made

        replayer = Replayer(filesystem, EPOCH)
        replayer.apply_all(self.with_steps(experiment).steps or ())
        replayer.filesystem.release_all()
        return replayer

    def tape(self, injected: Sequence[Address], death: Death | None) -> Tape:
        """The faults of the attempts before, and of this one."""
        choices: dict[tuple[int, str, int, int], int] = {}
        for attempt, addresses in enumerate([*(past.injected for past in self.pasts), injected]):
            choices |= on_tape(attempt, addresses)
        for attempt, dying in enumerate([*(past.death for past in self.pasts), death]):
            if dying is not None:
                address, choice = dying.choice(attempt)
                choices[address] = choice
        return Tape(choices)


class Places:
    """Makes what each run of an attempt needs: a file system in the state of the start, and an engine on it."""

    def __init__(self, experiment: Experiment, start: Start, injections: Injections) -> None:
        self._experiment = experiment
        self._injections = injections
        self._replayer = start.replayer(experiment) if start.attempt else None
        self._conditions = Conditions()
        if self._replayer is not None:
            self._conditions = Conditions(start.attempt, self._replayer.now, self._replayer.now)
        self._mark = -1

    def begin(self) -> tuple[Engine, Any]:
        """For one run: whatever the run before has done is undone."""
        filesystem = self._filesystem()
        engine = self._experiment.engine(filesystem, self._conditions)
        if self._injections:
            self._injections.begin()
            engine.strike = self._injections
        self._injections.answer_for(filesystem, engine)
        return engine, filesystem

    def _filesystem(self) -> Any:
        if self._replayer is None:
            return self._experiment.filesystem()
        filesystem = self._replayer.filesystem
        if self._mark >= 0:
            filesystem.rollback(self._mark)
        self._mark = filesystem.mark()
        return filesystem


def patience_of(experiment: Experiment, start: Start, injections: Injections) -> Patience:
    """For the runs of an attempt from a start with these errors."""
    rules, world_size = experiment.scenario.faults.errors, experiment.scenario.cluster.world_size
    places: list[Places] = []

    def begin() -> tuple[Engine, Any]:
        if not places:
            places.append(Places(experiment, start, Injections(rules, injections.plan, world_size)))
        return places[0].begin()

    return Patience(begin, experiment.scenario.budgets)
