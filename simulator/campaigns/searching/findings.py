"""What a search has found: failing runs, each kind once, and what it sets aside to go on without."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import msgspec

from simulator.campaigns.result import Failure
from simulator.invariants import Violation
from simulator.invariants.violation import gravity_of
from simulator.run import Run

MOST = 16
"""A search ends with so many kinds of failure: the code under test fails in ever new words."""


class Finding(msgspec.Struct, frozen=True):
    """A failing run: the number of its schedule, from 1, and the signatures that were set aside in it."""

    run: Run
    schedule: int
    known: tuple[str, ...]

    @property
    def violation(self) -> Violation:
        """What it violates."""
        assert self.run.violation is not None, "a finding is a run that violates something"
        return self.run.violation

    @property
    def gravity(self) -> int:
        """How grave it is, 0 the gravest."""
        return gravity_of(
            self.violation.invariant, degraded=self.violation.degraded, attempt=len(self.run.attempts) - 1
        )


def by_signature(finding: Finding) -> Hashable:
    """Failures of the same signature are one kind."""
    return finding.violation.signature


def by_gravity(finding: Finding) -> Hashable:
    """Failures of one invariant and one gravity are one kind, whatever they say: where each takes long to minimise."""
    return finding.violation.invariant, finding.gravity


class Findings:
    """Collects the failing runs of a search that does, or does not, ``go_on`` after one.

    ``known`` are the signatures that the next run sets aside, ``given`` those of the scenario.
    """

    def __init__(
        self, *, go_on: bool, given: Sequence[str] = (), kind_of: Callable[[Finding], Hashable] = by_signature
    ) -> None:
        self._go_on = go_on
        self._given = tuple(given)
        self._kind_of = kind_of
        self._found: dict[Hashable, Finding] = {}
        self.known: tuple[str, ...] = self._given
        self._met: set[int] = set()

    @property
    def must_end(self) -> bool:
        """Whether the search is over with what was found."""
        return bool(self._found) and (not self._go_on or len(self._found) >= MOST)

    def take(self, run: Run, schedule: int) -> bool:
        """Take note of a run; whether the same schedule is to be made again, as it goes on past what was found."""
        if run.met:
            self._met.add(schedule)
        if run.violation is None:
            return False
        self._met.add(schedule)
        finding = Finding(run, schedule, self.known)
        self._found.setdefault(self._kind_of(finding), finding)
        if not self._go_on:
            return False
        self.known = (*self.known, run.violation.signature)
        return not self.must_end

    def all(self) -> list[Finding]:
        """One of each kind, the gravest first, and of equal ones that which was found first."""
        return sorted(self._found.values(), key=lambda finding: (finding.gravity, finding.schedule))

    def failures(self, record: Callable[[Finding], Failure]) -> list[Failure]:
        """Each finding minimised and recorded, the gravest first."""
        return [record(finding) for finding in self.all()]

    def hides(self, done: int, wanted: int | None) -> str | None:
        """What the findings kept from being seen, in words. ``done`` schedules were made of ``wanted``."""
        if not self._found:
            return None
        made = f"{done:,} schedule{'s' * (done != 1)}"
        if wanted is not None and wanted > done:
            made = f"{done:,} of {wanted:,} schedules"
        if not self._go_on:
            return (
                f"the search ended with this finding, after {made}: what else is wrong was not looked for; "
                "--go-on sets it aside and goes on"
            )
        if len(self._found) >= MOST:
            return f"the search ended with {MOST} kinds of failure, after {made}: there may be more"
        if len(self._met) == done and done > 1:
            return everything_met(done)
        return None


def everything_met(done: int) -> str:
    """What a search says that nowhere came past what it has found."""
    return (
        f"each of {done:,} schedules ran into one of these findings: a rank that fails, and a state that is lost, hide "
        "what comes after them; mend them, then search again"
    )
