"""What a finished search can say: how much it covers, within which bounds, and of what."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec

from simulator.exhaustive.code_under_test import digest_of_code
from simulator.exhaustive.search import Counts
from simulator.experiment import Experiment


class Certificate(msgspec.Struct, frozen=True):
    """The figures of an exhaustive search.

    ``classes`` of interleavings are complete; ``executions`` were made for them, ``redundant`` of these for nothing.
    ``states`` are the distinct ones that were judged. ``preemptions`` is the bound (None: there is none), ``faults``
    the budget in words. ``digest`` names the scenario and the code under test. What lies outside the bounds and budgets
    is not covered.
    """

    classes: int
    executions: int
    redundant: int
    states: int
    preemptions: int | None
    operations: int
    faults: str
    seconds: float
    digest: str

    @property
    def classes_per_second(self) -> float:
        """How fast it went, judging included."""
        return self.classes / self.seconds if self.seconds > 0 else 0.0

    @property
    def states_per_second(self) -> float:
        """How fast it went, exploring included."""
        return self.states / self.seconds if self.seconds > 0 else 0.0

    def in_words(self) -> str:
        """One line for people."""
        bound = "no bound" if self.preemptions is None else f"at most {self.preemptions} preemptions"
        return (
            f"exhaustive: {self.classes:,} classes of interleavings, {self.states:,} states, {bound}{self.faults}; "
            f"{self.executions:,} executions, {self.redundant:,} redundant, {self.classes_per_second:,.0f} classes/s"
        )

    def table(self) -> dict[str, Any]:
        """The form in which results keep it."""
        table: dict[str, Any] = msgspec.to_builtins(self)
        return {
            **table,
            "classes_per_second": round(self.classes_per_second, 1),
            "states_per_second": round(self.states_per_second, 1),
        }


def certificate_of(
    experiment: Experiment, counts: Counts, preemptions: int | None, seconds: float, digest: str
) -> Certificate:
    """The figures as they are now."""
    return Certificate(
        classes=counts.classes,
        executions=counts.runs,
        redundant=counts.redundant,
        states=counts.states,
        preemptions=preemptions,
        operations=counts.operations,
        faults=experiment.faults_in_words(),
        seconds=seconds,
        digest=digest,
    )


def digest_of_scenario(experiment: Experiment, preemptions: int | None) -> str:
    """Names what is certified: the scenario with its bounds, and the code under test."""
    told = msgspec.json.encode([experiment.described(), preemptions], order="sorted")
    return blake2b(told + digest_of_code(experiment).encode(), digest_size=16).hexdigest()
