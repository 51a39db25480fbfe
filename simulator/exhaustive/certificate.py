"""What a finished search can say: how much it covers, within which bounds, and of what."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

from simulator.exhaustive.code_under_test import digest_of_code
from simulator.exhaustive.executed import Executed, NotExecuted, in_words
from simulator.exhaustive.polling import ROUNDS
from simulator.exhaustive.search import Search
from simulator.experiment import Experiment


class Certificate(msgspec.Struct, frozen=True):
    """The figures of an exhaustive search.

    ``classes`` of interleavings are complete. ``executions`` were made in ``passes`` over them, the last of which made
    ``redundant`` ones for nothing; there is more than one pass where times are compared that no run before had looked
    at. ``states`` are the distinct ones that were judged. ``preemptions`` is the bound (None: there is none),
    ``faults`` the budget in words. ``digest`` names the scenario and the code under test. What lies outside the bounds
    and budgets is not covered, nor is what of the code under test was ``not_executed``; if a rank ``waits`` in a
    polling loop, neither is that this ends by itself after all.
    ``on_few_disks``: after a power loss the job goes on, not on all disks that it can leave, but on one for each
    difference that a restart's look makes; what comes after may still depend on something else.
    """

    classes: int
    executions: int
    redundant: int
    passes: int
    states: int
    preemptions: int | None
    operations: int
    faults: str
    waits: bool
    on_few_disks: bool
    seconds: float
    digest: str
    not_executed: list[NotExecuted] = []

    @property
    def classes_per_second(self) -> float:
        """How fast it went, judging included."""
        return self.classes / self.seconds if self.seconds > 0 else 0.0

    @property
    def states_per_second(self) -> float:
        """How fast it went, exploring included."""
        return self.states / self.seconds if self.seconds > 0 else 0.0

    def in_words(self, *, complete: bool, alone: str = "") -> str:
        """One line for people. Of a search that is not ``complete`` it does not say that it was exhaustive.

        ``alone`` is what there is to say where never two ranks could go on.
        """
        classes = _number(self.classes, "class", "classes")
        classes = f"{classes}: {alone}" if alone else f"{classes} of interleavings"
        bound = "any number of preemptions"
        if self.preemptions is not None:
            bound = f"at most {_number(self.preemptions, 'preemption')} a schedule"
        passes = f" in {self.passes} passes" if self.passes > 1 else ""
        waits = f", ranks that poll wait (none gave up in {ROUNDS:,} rounds)" if self.waits else ""
        if self.on_few_disks:
            waits += ", after a power loss the job goes on on one disk for each difference that a restart sees"
        return (
            f"{'' if complete else 'not '}exhaustive: {classes}, "
            f"{_number(self.states, 'state')}, {bound}{self.faults}{waits}; "
            f"{_number(self.executions, 'execution')}{passes}, {self.redundant:,} redundant"
        )

    def warnings(self) -> list[str]:
        """What a reader must know who takes the certificate for more than it says."""
        left_out = in_words(self.not_executed)
        return [] if left_out is None else [f"the certificate says nothing of code that was never executed: {left_out}"]

    def table(self) -> dict[str, Any]:
        """The form in which results keep it."""
        table: dict[str, Any] = msgspec.to_builtins(self)
        return {
            **table,
            "classes_per_second": round(self.classes_per_second, 1),
            "states_per_second": round(self.states_per_second, 1),
        }


def certificate_of(search: Search, seconds: float) -> Certificate:
    """The figures as they are now."""
    counts, earlier = search.counts, search.earlier
    return Certificate(
        classes=counts.classes,
        executions=earlier.runs + counts.runs,
        redundant=counts.redundant,
        passes=search.passes,
        states=counts.states,
        preemptions=search.preemptions,
        operations=earlier.operations + counts.operations,
        faults=search.experiment.faults_in_words(),
        waits=search.waits,
        on_few_disks=bool(search.experiment.scenario.faults.power_losses and search.experiment.scenario.restarts),
        seconds=seconds,
        digest=digest_of_scenario(search.experiment, search.preemptions),
        not_executed=Executed(search.experiment).left_out(search.reached),
    )


def digest_of_scenario(experiment: Experiment, preemptions: int | None) -> str:
    """Names what is certified: the scenario with its bounds, and the code under test."""
    told = msgspec.json.encode([experiment.described(), preemptions], order="sorted")
    return blake2b(told + digest_of_code(experiment).encode(), digest_size=16).hexdigest()


def _number(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
