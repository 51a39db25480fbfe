"""Where an attempt of the job starts: on nothing, or on what an attempt before it left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from simulator.clock import EPOCH
from simulator.engines.conditions import Conditions
from simulator.engines.interface import Engine, Step
from simulator.errors import CannotDo
from simulator.exhaustive.cuts import Death, death_at
from simulator.exhaustive.execution import Execution, Prefix, positions_in, set_of
from simulator.exhaustive.injections import Address, Injections, on_tape, rules_in
from simulator.exhaustive.judging import Carried, Instant
from simulator.exhaustive.polling import Patience
from simulator.exhaustive.replayer import Replayer
from simulator.exhaustive.walker import Walker
from simulator.experiment import Experiment
from simulator.filesystems.durability import Change
from simulator.tape import Tape


class PowerLoss(msgspec.Struct, frozen=True):
    """The power fails when ``task`` (-1: none yet) has come to its n-th operation; these micro-operations are lost."""

    task: int
    n: int
    lost: tuple[Change, ...]


class Past(msgspec.Struct, frozen=True):
    """What an earlier attempt did: its schedule, the errors that were injected, and how it ended.

    ``grants`` is the same schedule for an engine, each step of ranks that polled in vain by itself.
    """

    schedule: list[int]
    grants: list[int]
    injected: list[Address]
    death: Death | None
    power_loss: PowerLoss | None = None


class Taken(msgspec.Struct, frozen=True):
    """The steps of an attempt as they were taken. ``before``: for each, those that come first in every such order."""

    steps: tuple[Step, ...]
    before: tuple[int, ...]

    @classmethod
    def from_journey(cls, execution: Execution, positions: Sequence[int]) -> Taken:
        """These scheduled steps of a run, in this order."""
        order = execution.order
        numbers = {position: number for number, position in enumerate(positions)}
        cut = set_of(positions)
        before = tuple(
            set_of(numbers[other] for other in positions_in(order.before[position] & cut)) for position in positions
        )
        return cls(tuple(order.steps[position] for position in positions), before)


class Start(msgspec.Struct, frozen=True):
    """Where an attempt starts: the attempts that led there, what is carried over, and which faults are left.

    ``errors`` are how often each error rule may still strike. ``taken`` is None where it is to be found again.
    """

    attempt: int = 0
    pasts: tuple[Past, ...] = ()
    taken: tuple[Taken, ...] | None = ()
    carried: Carried = Carried()
    kills: int = 0
    node_kills: int = 0
    power_losses: int = 0
    errors: tuple[int, ...] = ()

    @classmethod
    def first(cls, experiment: Experiment) -> Start:
        """The start of the whole job."""
        faults = experiment.scenario.faults
        return cls(
            kills=faults.kills,
            node_kills=faults.node_kills,
            power_losses=faults.power_losses,
            errors=tuple(rule.count for rule in faults.errors),
        )

    @property
    def can_die(self) -> bool:
        """Whether a rank may die in this attempt."""
        return self.kills > 0 or self.node_kills > 0

    def without_steps(self) -> Start:
        """The same start as it is sent or written."""
        return self if self.attempt == 0 else msgspec.structs.replace(self, taken=None)

    def with_steps(self, experiment: Experiment) -> Start:
        """The same start with its steps: if they are not there, by making the runs that led to it again."""
        if self.taken is not None:
            return self
        last = self.pasts[-1]
        before = Start(self.attempt - 1, self.pasts[:-1], () if self.attempt == 1 else None).with_steps(experiment)
        rules, world_size = experiment.scenario.faults.errors, experiment.scenario.cluster.world_size
        injections = Injections(rules, frozenset(last.injected), world_size)
        patience = patience_of(experiment, before, injections)
        walker = Walker(Places(experiment, before, injections).begin, patience, budgets=experiment.scenario.budgets)
        execution = walker.make(Prefix(last.schedule, [None] * len(last.schedule)))
        taken = Taken.from_journey(execution, execution.scheduled[: len(last.schedule)])
        assert before.taken is not None
        return msgspec.structs.replace(self, taken=(*before.taken, taken))

    def after(self, execution: Execution, instant: Instant, struck: Mapping[Address, tuple[int, int]]) -> list[Start]:
        """Where the next attempt starts when this one ends at an instant, for each way in which it can."""
        cut = instant.cut
        start, past = self._after(execution, list(positions_in(cut)), instant.carried, struck)
        if instant.ended:
            return [start]
        found = []
        for node in (False, True):
            death = death_at(execution, cut, node=node)
            if death is not None and (self.node_kills if node else self.kills) > 0:
                dying = msgspec.structs.replace(past, grants=[*past.grants, death.task], death=death)
                kills, node_kills = self.kills - (not node), self.node_kills - node
                pasts = (*self.pasts, dying)
                found.append(msgspec.structs.replace(start, pasts=pasts, kills=kills, node_kills=node_kills))
        return found

    def after_power_loss(
        self,
        execution: Execution,
        positions: Sequence[int],
        lost: tuple[Change, ...],
        carried: Carried,
        struck: Mapping[Address, tuple[int, int]],
    ) -> Start:
        """Where the next attempt starts when the power fails after these steps, in this order."""
        start, past = self._after(execution, positions, carried, struck)
        task, n = -1, 0
        if positions:
            order = execution.order
            task = order.steps[positions[-1]].task
            missing = set_of(execution.scheduled) & ~set_of(positions)
            done = (at for at in positions_in(order.of_task(task)) if not (order.before[at] | 1 << at) & missing)
            n = 1 + max(order.steps[at].n for at in done)
        past = msgspec.structs.replace(past, power_loss=PowerLoss(task, n, lost))
        return msgspec.structs.replace(start, pasts=(*self.pasts, past), power_losses=self.power_losses - 1)

    def _after(
        self,
        execution: Execution,
        positions: Sequence[int],
        carried: Carried,
        struck: Mapping[Address, tuple[int, int]],
    ) -> tuple[Start, Past]:
        """Where the next attempt starts when this one ends by itself after these steps, in this order."""
        taken = Taken.from_journey(execution, positions)
        assert self.taken is not None
        done = {(step.task, step.n) for step in taken.steps}
        injected = [address for address, step in struck.items() if step in done]
        left = list(self.errors)
        for rule in rules_in(injected):
            left[rule] -= 1
        past = Past([step.task for step in taken.steps], execution.grants(positions), injected, None)
        start = msgspec.structs.replace(
            self,
            attempt=self.attempt + 1,
            pasts=(*self.pasts, past),
            taken=(*self.taken, taken),
            carried=carried,
            errors=tuple(left),
        )
        return start, past

    def replayer(self, experiment: Experiment) -> Replayer:
        """A file system in the state in which the attempt starts, on which its steps can be carried out and undone."""

        def filesystem() -> Any:
            made = experiment.filesystem()
            if not hasattr(made, "would_wait") or not hasattr(made, "accesses"):
                profile = experiment.scenario.filesystem.profile
                raise CannotDo(f"filesystem.profile: exhaustive search cannot follow {profile}; use local or shared")
            return made

        replayer = Replayer(filesystem, EPOCH)
        for taken, past in zip(self.with_steps(experiment).taken or (), self.pasts, strict=True):
            replayer.apply_attempt(taken.steps, taken.before)
            if past.power_loss is not None:
                replayer.lose_power(past.power_loss.lost)
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
        for attempt, past in enumerate(self.pasts):
            if past.power_loss is not None:
                choices[attempt, "power", past.power_loss.task, past.power_loss.n] = 1
                choices |= {(attempt, "lost", rank, n): 1 for rank, n in past.power_loss.lost}
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
