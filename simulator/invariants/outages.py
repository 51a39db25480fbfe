"""What a restart would find if the power failed now: judged on every disk that could be left and makes a difference."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec

from simulator.engines.strikes import Outage
from simulator.filesystems import PosixModel
from simulator.filesystems.durability import (
    Affected,
    DurableModel,
    Ordering,
    Telling,
    generators,
    losses_in_words,
)
from simulator.invariants.judge import Check, after_outage, ask, name_of, wrong_with
from simulator.invariants.restart import Probe, Seen
from simulator.invariants.viewer import World
from simulator.invariants.violation import Violation
from simulator.operations import Access, Operation, Thing

Said = tuple[Violation | None, frozenset[Thing]]


class Watched:
    """A file system that notes what is looked at, for as long as it is not put back."""

    def __init__(self, model: PosixModel) -> None:
        self._model = model
        self._accesses: list[Access] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    @property
    def things(self) -> frozenset[Thing]:
        """What was looked at; not the descriptors of who looked."""
        return frozenset(thing for thing, _ in self._accesses if thing[0] >= 0)

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        self._model.accesses = self._accesses
        try:
            return self._model.perform(rank, operation, now)
        finally:
            self._model.accesses = None


class DiskVerdicts:
    """Judgements of disks that were made before: shared by all runs of a campaign.

    They are kept by the digest and by the inode numbers of all paths, since what was looked at is told by these; where
    times were looked at, by their order too.
    """

    def __init__(self, probe: Probe | None) -> None:
        self._probe = probe
        self._seen: dict[Any, tuple[Seen, frozenset[Thing]]] = {}
        self._said: dict[Any, Said] = {}
        self.judged = 0

    def look(self, disk: PosixModel, attempt: int) -> tuple[Seen, frozenset[Thing]]:
        """What a restart would do on this disk, and what it looks at."""
        if self._probe is None:
            return Seen(), frozenset()
        key = (attempt, *_identity(disk))
        found = self._seen.get(key)
        if found is not None and found[0].looked:
            found = self._seen.get((*key, disk.mtime_order()))
        if found is None:
            self.judged += 1
            watched = Watched(disk)
            seen = self._probe.look(watched, attempt)
            found = self._seen[key] = (seen, watched.things | seen.looked)
            if seen.looked:
                self._seen[*key, disk.mtime_order()] = found
        return found

    def ask(self, check: Check, disk: PosixModel, world: World) -> Said:
        """What a user's invariant says about this disk, and what it looks at."""
        key = (world.attempt, *_identity(disk), name_of(check), repr(sorted(world.returned.items())), id(check))
        found = self._said.get(key)
        if found is None:
            watched = Watched(disk)
            said, looked = ask(check, world, watched)
            found = (said, watched.things | looked)
            if not looked:  # What depends on times is asked again.
                self._said[key] = found
        return found


class Verdict(msgspec.Struct, frozen=True):
    """What is found on one disk, and what was looked at."""

    seen: Seen
    said: Violation | None
    looked: frozenset[Thing]


class Outlook:
    """What a power loss could leave at an instant. ``bound``: how many disks are judged there at most (None: all)."""

    def __init__(self, verdicts: DiskVerdicts, checks: Sequence[Check], bound: int | None) -> None:
        self._verdicts = verdicts
        self._checks = checks
        self._bound = bound

    @property
    def asks(self) -> bool:
        """Whether there are user's invariants, which also depend on what the ranks have returned."""
        return bool(self._checks)

    def of(self, durable: DurableModel, ordering: Ordering, affected: Affected, world: World) -> Disks:
        """The disks that make a difference to a restart, or to a user's invariant."""

        def look(kept: int) -> tuple[Verdict, int]:
            disk = durable.state(kept, ordering)
            seen, looked = self._verdicts.look(disk, world.attempt)
            said = None
            for check in self._checks:
                said, also = self._verdicts.ask(check, disk, world)
                looked |= also
                if said is not None:
                    break
            return Verdict(seen, said, looked), affected.by(looked)

        return Disks(durable, ordering, Telling(ordering, look, self._bound))


class Disks:
    """Iterates over (what is lost, what is found). ``are_all`` tells afterwards whether the bound sufficed."""

    def __init__(self, durable: DurableModel, ordering: Ordering, telling: Telling[Verdict]) -> None:
        self._durable = durable
        self._ordering = ordering
        self._telling = telling

    def __iter__(self) -> Iterator[tuple[int, Verdict]]:
        return iter(self._telling)

    @property
    def are_all(self) -> bool:
        """Whether no disk was left out."""
        return self._telling.is_complete

    def outage(self, lost: int) -> Outage:
        """The power loss by which these micro-operations are lost."""
        fewest = generators(self._ordering, lost)
        return Outage(tuple(self._durable.changes(fewest)), losses_in_words(self._durable, lost))


class _Known:
    """What was found at an instant, and what it depends on: as long as that stays as it is, so does what is found."""

    def __init__(self, ordering: Ordering, affected: Affected, returned: str) -> None:
        self.ordering = ordering
        self.affected = affected
        self.returned = returned
        self.verdicts: list[Verdict] = []
        self.are_all = False
        self.looked: frozenset[Thing] = frozenset()
        self._basis: tuple[int, int, int] = (0, 0, 0)

    def close(self, are_all: bool) -> None:
        """All has been found."""
        self.are_all = are_all
        self.looked = frozenset().union(*(verdict.looked for verdict in self.verdicts))
        self._basis = self._present()

    def still_holds(self, ordering: Ordering, returned: str) -> bool:
        """Whether nothing has changed that anything looked at."""
        return ordering is self.ordering and returned == self.returned and self._basis == self._present()

    def _present(self) -> tuple[int, int, int]:
        """What changes anything that was looked at, what of it is durable for certain, and whether its order is new."""
        relevant = self.affected.by(self.looked)
        return relevant, self.ordering.certain & relevant, self.ordering.revised


class OutageJudge:
    """Judges the instants of one run as if the power failed there; implements ``judge.Outages``.

    ``certain`` is the newest step that no power loss could have taken at an earlier instant. The power fails ``budget``
    times at most.
    """

    def __init__(
        self,
        durable: DurableModel,
        outlook: Outlook,
        judged: Collection[str] | None,
        best: int | None,
        budget: int,
        known: Collection[str] = (),
    ) -> None:
        self._known_failures = frozenset(known)
        self._durable = durable
        self._outlook = outlook
        self._judged = judged
        self._best = best
        self._budget = budget
        self._struck = 0
        self._instant: tuple[int, int, int, int] = (-1, 0, 0, 0)
        self._known: _Known | None = None
        self.certain = 0

    def has_struck(self) -> bool:
        """Whether the power has failed since this was asked last."""
        before, self._struck = self._struck, self._durable.outages
        return self._struck > before

    def judge(self, world: World, promised: int) -> Violation | None:
        """What is wrong with a disk that a power loss could leave now."""
        durable = self._durable
        instant = (len(durable.records), world.attempt, promised, len(world.returned))
        if instant == self._instant or durable.outages >= self._budget:
            return None
        self._instant = instant
        ordering = durable.ordering()
        returned = f"{world.attempt} {sorted(world.returned.items())}" if self._outlook.asks else str(world.attempt)
        known = self._known
        if known is None or not known.still_holds(ordering, returned):
            affected = known.affected if known is not None and known.ordering is ordering else Affected(ordering)
            known = self._known = _Known(ordering, affected, returned)
            disks = self._outlook.of(durable, ordering, affected, world)
            for lost, found in disks:
                violation = self._wrong(found, promised)
                if violation is not None:
                    return after_outage(violation, disks.outage(lost))
                known.verdicts.append(found)
            known.close(disks.are_all)
        elif any(self._wrong(found, promised) is not None for found in known.verdicts):
            self._known, self._instant = None, (-1, 0, 0, 0)
            return self.judge(world, promised)
        if known.are_all:
            self.certain = max(self.certain, min(found.seen.step or 0 for found in known.verdicts))
        return None

    def _wrong(self, found: Verdict, promised: int) -> Violation | None:
        violation = found.said or wrong_with(found.seen, promised, self.certain, self._best)
        judged = self._judged
        if violation is None or (judged is not None and violation.invariant not in judged):
            return None
        if not self._known_failures:
            return violation
        return None if after_outage(violation).signature in self._known_failures else violation


def _identity(disk: PosixModel) -> tuple[int, int]:
    return disk.digest(), hash(tuple((path, inode.number) for path, inode in disk.walk_files()))
