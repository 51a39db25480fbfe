"""States of the file system, each judged once: what a restart would do there, and what user's invariants say."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, TypeAlias

from simulator.exhaustive.replayer import Rewindable
from simulator.experiment import Experiment
from simulator.happens_before import NO_LOOKS, Looks, times_of
from simulator.invariants import Violation
from simulator.invariants.judge import Check, ask, name_of
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
