"""What a campaign gives back."""

from __future__ import annotations

from typing import Any

import msgspec

from simulator.invariants.violation import gravity_of
from simulator.trace import Trace


class Failure(msgspec.Struct):
    """The first violation, minimised and explained. ``error`` is the message, ``signature`` names equal failures."""

    invariant: str
    rank: int | None
    error: str
    signature: str
    trace: Trace
    explanation: Any = None
    schedule: int = 0
    """The number of the schedule that failed, from 1."""

    @property
    def degraded(self) -> bool:
        """Whether a restart still resumes, but not exactly."""
        return self.trace.verdict is not None and self.trace.verdict.degraded

    @property
    def gravity(self) -> int:
        """How grave it is, 0 the gravest; see ``gravity_of``."""
        return gravity_of(self.invariant, degraded=self.degraded, attempt=len(self.trace.attempts) - 1)

    def __repr__(self) -> str:
        return f"<Failure {self.invariant}: {self.error}>"


class Result(msgspec.Struct):
    """The outcome of an exploration.

    ``verdict`` is violated, clean, certified or incomplete. ``schedules`` were run, ``states`` judged (distinct ones),
    ``operations`` carried out, in ``seconds``. ``classes`` and ``blocked`` belong to exhaustive search.
    """

    verdict: str
    schedules: int
    seconds: float
    seed: int
    scenario: dict[str, Any]
    classes: int | None = None
    blocked: int | None = None
    states: int = 0
    operations: int = 0
    failure: Failure | None = None
    """The gravest of the failures, where there are several."""
    failures: list[Failure] = []
    """All that were found, one of each kind, the gravest first; more than one where the search went on."""
    hidden: str | None = None
    """What the failures kept from being seen, in words."""
    digest: str | None = None
    coverage: str = ""
    """What a verdict without a failure covers, in words."""
    reason: str | None = None
    """Why an incomplete verdict is incomplete."""
    followed: int | None = None
    """Of a replay that left its recording: how many steps were as recorded before. None: all of them."""
    lengths: list[int] = []
    unseen: list[str] = []
    """Of a real program: what changed its directory without a call that was held, or may have."""
    certificate: dict[str, Any] | None = None
    """The figures of an exhaustive search."""
    minimising: float = 0.0
    """Seconds, beside ``seconds``, in which failures were minimised and explained."""
    warnings: list[str] = []
    """What a reader must know who takes the verdict for more than it says."""
    judged: list[str] = []
    """The invariants that were judged, by name; empty where the ranks are real processes."""

    def __post_init__(self) -> None:
        """A result with one failure has it in both fields."""
        if self.failure is not None and not self.failures:
            self.failures = [self.failure]

    def __repr__(self) -> str:
        return f"<Result {self._head()}>"

    def __str__(self) -> str:
        """The verdict, what it covers, and what to do with a failure, in a few lines."""
        seed = "" if self.classes is not None else f", seed {self.seed}"
        lines = [self._head(), f"{self.coverage} ({self.seconds:.1f} s{seed})"]
        if self.judged_in_words:
            lines.append(self.judged_in_words)
        if self.reason:
            lines.append(self.reason)
        lines += [f"warning: {each}" for each in self.warnings]
        lines += [f"also violated {failure.invariant}: {failure.error}" for failure in self.failures[1:]]
        if self.hidden and len(self.failures) > 1:
            lines.append(self.hidden)
        if self.failure is not None:
            lines.append(
                "print(simulator.as_text(result)) shows the schedule, simulator.replay(result.failure) runs it"
            )
        return "\n".join(lines)

    @property
    def judged_in_words(self) -> str:
        """The invariants that were judged, as a sentence, and what that leaves out; empty where none is known."""
        return f"Invariants judged: {', '.join(self.judged)}.{self._unjudged}" if self.judged else ""

    @property
    def _unjudged(self) -> str:
        """What is said where no checkpoint is judged."""
        if self.scenario.get("invariants") is not None or "complete" in self.judged:
            return ""
        return " No checkpoint was: pick=... says which one a restart takes."

    def _head(self) -> str:
        return (
            self.verdict if self.failure is None else f"{self.verdict} {self.failure.invariant}: {self.failure.error}"
        )
