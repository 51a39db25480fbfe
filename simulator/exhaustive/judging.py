"""What is judged of a class of interleavings: each of its states, as if the job died there, and its end."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from simulator.exhaustive.cuts import Cuts, Death, Milestones, death_at
from simulator.exhaustive.execution import Execution, positions_in, set_of
from simulator.exhaustive.replayer import Replayer, Rewindable
from simulator.experiment import ROOT, Experiment
from simulator.happens_before import NO_LOOKS, Looks, times_of
from simulator.invariants import Violation
from simulator.invariants.judge import OF_A_RESTART, Check, ask, name_of, wrong_with
from simulator.invariants.leak import leaked
from simulator.invariants.restart import Seen
from simulator.invariants.viewer import World
from simulator.operations import Thing, change_time, modification_time
from simulator.operations.footprint import all_changes

State: TypeAlias = int
"""Names a state: the digest of the file system and the attempt, and where that matters the order of its times."""

_ROOT = 1


class StateJudge:
    """One instance serves a whole search.

    ``judged`` are the states that were judged. ``times`` are what judgements looked at: the search must know them from
    its start, or it does not tell the states apart in which they differ.
    """

    def __init__(self, experiment: Experiment, looks: Looks = NO_LOOKS) -> None:
        self._experiment = experiment
        self._looks = looks
        self._seen: dict[State, Seen] = {}
        self._said: dict[tuple[State, str, str], tuple[Violation | None, frozenset[Thing]]] = {}
        self.judged: set[State] = set()
        self._new: list[State] = []
        self.times: frozenset[Thing] = frozenset()

    def look(self, filesystem: Rewindable, attempt: int) -> Seen:
        """What a restart would do now."""
        state = name_of_state(filesystem, attempt)
        seen = self._seen.get(state)
        if seen is not None and not seen.looked:
            return seen
        timed = self.timed(filesystem, state)
        found = self._seen.get(timed) if seen is not None else None
        if found is None:
            probe = self._experiment.probe
            assert probe is not None
            found = probe.look(filesystem, attempt)
            self._seen[state] = found
            self._note(state, timed, found.looked)
            if found.looked:
                self._seen[timed] = found
        return found

    def ask(self, check: Check, filesystem: Rewindable, world: World) -> Violation | None:
        """What a user's invariant says now, when this is what the ranks have returned."""
        state = name_of_state(filesystem, world.attempt)
        returned = repr(sorted(world.returned.items()))
        key = (state, name_of(check), returned)
        said = self._said.get(key)
        if said is not None and not said[1]:
            return said[0]
        timed = self.timed(filesystem, state)
        found = self._said.get((timed, name_of(check), returned)) if said is not None else None
        if found is None:
            found = self._said[key] = ask(check, world, filesystem)
            self._note(state, timed, found[1])
            if found[1]:
                self._said[timed, name_of(check), returned] = found
        return found[0]

    def timed(self, filesystem: Any, state: State) -> State:
        """The name of a state with the order in which the times that anybody looks at were changed."""
        if not self._looks.times:
            return state
        order = repr(_order_of(filesystem, self._looks.times)).encode("utf-8", "surrogatepass")
        return state ^ int.from_bytes(blake2b(order, digest_size=16).digest(), "little")

    def take_new(self) -> list[State]:
        """The states that were judged since this was last asked."""
        new, self._new = self._new, []
        return new

    def _note(self, state: State, timed: State, looked: frozenset[Thing]) -> None:
        times = times_of(looked)
        name = timed if times else state
        if name not in self.judged:
            self.judged.add(name)
            self._new.append(name)
        self.times |= times


def name_of_state(filesystem: Rewindable, attempt: int) -> State:
    """The name of the state that a file system is in, whatever the order of its times."""
    return filesystem.digest() | attempt << 128


def _order_of(filesystem: Any, times: frozenset[Thing]) -> list[Any]:
    """For each path whose inode's times are looked at, their places in the order of changes."""
    found: list[tuple[str, str, int]] = []
    for path, inode in filesystem.walk_files():
        if modification_time(inode.number) in times:
            found.append((path, "modified", inode.modified))
        if change_time(inode.number) in times:
            found.append((path, "changed", inode.changed))
    if all_changes() in times:
        return [found, [(path, inode.modified, inode.changed) for path, inode in filesystem.walk_files()]]
    places = {time: place for place, time in enumerate(sorted({time for _, _, time in found}))}
    order: list[Any] = [(path, kind, places[time]) for path, kind, time in found]
    if any(inode == _ROOT for inode, _ in times):
        order.append(filesystem.mtime_order())
    return order


class Finding(msgspec.Struct, frozen=True):
    """A violation of an invariant, and a schedule of the attempt that leads to it, and to the ``death`` it takes."""

    invariant: str
    schedule: list[int]
    death: Death | None = None


class Carried(msgspec.Struct, frozen=True):
    """What an attempt starts with: what was promised before, and the step that a restart would resume from.

    ``durable`` is the one that it would at least resume from if the power failed, ``history`` what the attempts before
    have in common where it matters what of them is on the disk (see ``Unit``).
    """

    promised: int = 0
    restorable: int = 0
    durable: int = 0
    history: int = 0


class Instant(msgspec.Struct, frozen=True):
    """A state in which an attempt can end: by a death, or (``ended``) because every rank has."""

    cut: int
    carried: Carried
    ended: bool


class _Violated(Exception):
    """At a cut, which is reached through the cut ``by``; where a rank has to die for it, by that ``death``."""

    def __init__(self, invariant: str, cut: int, by: int = 0, death: Death | None = None) -> None:
        self.invariant = invariant
        self.cut = cut
        self.by = by
        self.death = death


class ClassJudge:
    """Judges the classes of one attempt from one start.

    So many ``kills`` and ``node_kills`` may strike. ``reached`` is called with each new state in which the attempt can
    end, while the file system is in it; ``look_up`` before each state is judged. ``telling``: see ``Cuts``.
    """

    def __init__(
        self,
        experiment: Experiment,
        states: StateJudge,
        replayer: Replayer,
        *,
        attempt: int = 0,
        carried: Carried | None = None,
        kills: int = 0,
        node_kills: int = 0,
        reached: Callable[[Execution, Instant, Rewindable], None] | None = None,
        telling: Callable[[Execution], int] | None = None,
        look_up: Callable[[], None] = lambda: None,
    ) -> None:
        scenario = experiment.scenario
        self._experiment = experiment
        self._states = states
        self._replayer = replayer
        self._attempt = attempt
        self._carried = carried or Carried()
        self._kills = kills
        self._deaths = kills + node_kills > 0
        self._reached = reached
        self._look_up = look_up
        self._world_size = scenario.cluster.world_size
        self._best = experiment.bound.best if experiment.bound is not None else None
        judged = scenario.invariants
        wanted = judged is None or not OF_A_RESTART.isdisjoint(judged)
        self._restarts = experiment.probe is not None and wanted
        self._instants = self._restarts and scenario.faults.job_death
        checks = [check for check in experiment.checks if self._counts(name_of(check))]
        self._always = [check for check in checks if not getattr(check, "judged_at_end", False)]
        self._final = [check for check in checks if getattr(check, "judged_at_end", False)]
        self.cuts = Cuts(replayer, telling)

    def judge(self, execution: Execution) -> Finding | None:
        """Judge the class that a run stands for."""
        invariant = self._wrong_in_run(execution)
        if invariant is not None:
            return Finding(invariant, execution.tasks)
        everywhere = self._instants or bool(self._always) or self._deaths
        try:
            if everywhere:
                self._judge_states(execution)
            self._judge_end(execution, reached=not everywhere)
        except _Violated as found:
            positions = [*positions_in(found.by), *positions_in(found.cut & ~found.by)]
            schedule = execution.grants(positions)
            schedule += [found.death.task] if found.death is not None else []
            return Finding(found.invariant, schedule, found.death)
        return None

    def _counts(self, invariant: str) -> bool:
        judged = self._experiment.scenario.invariants
        return judged is None or invariant in judged

    def _wrong_in_run(self, execution: Execution) -> str | None:
        """What no state of the file system shows: an error, a hang, ranks that resumed from different checkpoints."""
        if execution.failed and self._counts("no-error"):
            return "no-error"
        hangs = bool(execution.waiting) and not execution.broken_off
        if (execution.mismatch is not None or hangs) and self._counts("no-hang"):
            return "no-hang"
        if self._counts("agree"):
            effects = [execution.initial, *(step.effects for step in execution.order.steps if step.effects is not None)]
            if len({step for each in effects for _, step, _ in each.resumed}) > 1:
                return "agree"
        return None

    def _judge_states(self, execution: Execution) -> None:
        milestones = Milestones(execution, self._world_size, self._carried.promised)

        def judge_state(cut: int, filesystem: Rewindable) -> int:
            return self._judge_state(execution, milestones, cut, filesystem)

        for cut, by, left, before in self.cuts.visit(execution, judge_state):
            lost = wrong_with(Seen(left or None), 0, before)
            if self._instants and lost is not None and self._counts(lost.invariant):
                raise _Violated(lost.invariant, cut, by)

    def _judge_state(self, execution: Execution, milestones: Milestones, cut: int, filesystem: Rewindable) -> int:
        self._look_up()
        promised = milestones.promised(cut)
        returned = milestones.returned(cut)
        ended = milestones.all_ended(cut, self._world_size)
        # Which kind of death the budget allows makes no difference here.
        death = death_at(execution, cut, node=not self._kills) if self._deaths and not ended else None
        step = self._judge_restart(cut, filesystem, promised, death) if self._restarts else 0
        self._ask(self._always, cut, filesystem, returned)
        if death is not None:
            self._ask(self._final, cut, filesystem, returned, death)
        if self._reached is not None and (ended or death is not None):
            carried = Carried(promised, max(step, self._carried.restorable))
            self._reached(execution, Instant(cut, carried, ended), filesystem)
        return step

    def _judge_restart(self, cut: int, filesystem: Rewindable, promised: int, death: Death | None) -> int:
        """What a restart would resume from; judged where the job can die at any instant, or by a rank's death."""
        seen = self._states.look(filesystem, self._attempt)
        if self._instants or death is not None:
            # Less than one step before is judged by comparing cuts; at the first one, with the attempt before.
            before = 0 if self._instants and cut else self._carried.restorable
            violation = wrong_with(seen, promised, before, self._best)
            if violation is not None and self._counts(violation.invariant):
                raise _Violated(violation.invariant, cut, death=None if self._instants else death)
        return seen.step or 0

    def _judge_end(self, execution: Execution, *, reached: bool) -> None:
        """The end of the attempt, where every rank has ended. ``reached``: what comes after it has not been told."""
        if execution.waiting:
            return
        leaks = self._experiment.bound is not None and self._counts("no-leak")
        late = self._restarts and not self._instants
        goes_on = self._reached if reached else None
        if not (leaks or late or self._final or goes_on is not None):
            return
        cut = set_of(execution.scheduled)
        filesystem = self._replayer.go_to(execution.order, execution.scheduled)
        milestones = Milestones(execution, self._world_size, self._carried.promised)
        promised, restorable = milestones.promised(cut), self._carried.restorable
        if late:
            seen = self._states.look(filesystem, self._attempt)
            violation = wrong_with(seen, promised, restorable, self._best)
            if violation is not None and self._counts(violation.invariant):
                raise _Violated(violation.invariant, cut)
            restorable = max(restorable, seen.step or 0)
        bound = self._experiment.bound if leaks and milestones.saved_everywhere(cut) else None
        if bound is not None and leaked(filesystem, bound) is not None:
            raise _Violated("no-leak", cut)
        self._ask(self._final, cut, filesystem, milestones.returned(cut))
        if goes_on is not None:
            goes_on(execution, Instant(cut, Carried(promised, restorable), ended=True), filesystem)

    def _ask(
        self,
        checks: list[Check],
        cut: int,
        filesystem: Rewindable,
        returned: dict[int, Any],
        death: Death | None = None,
    ) -> None:
        for check in checks:
            world = World(Path(ROOT), self._world_size, self._attempt, returned)
            if self._states.ask(check, filesystem, world) is not None:
                raise _Violated(name_of(check), cut, death=death)
