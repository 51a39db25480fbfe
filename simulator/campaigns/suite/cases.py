"""What a suite consists of: scenarios to search, recorded failures to replay, and what became of each."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from simulator.campaigns.replay.confirming import Confirmation
from simulator.campaigns.result import Result
from simulator.errors import CkptraceError
from simulator.scenario import Scenario
from simulator.trace import Trace

Kind: TypeAlias = Literal["scenario", "regression"]
Status: TypeAlias = Literal["passed", "failed", "error"]


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the search of a known bug must give: the verdict, the invariant, and a part of what is said.

    ``schedules`` is how many it gets at the least.
    """

    verdict: Literal["violated", "clean"]
    invariant: str | None = None
    said: str = ""
    schedules: int = 0

    def missed_by(self, result: Result) -> str | None:
        """How a result differs from what is expected, in words."""
        if result.verdict != self.verdict:
            return f"expected {self.in_words()}, found {result.verdict}"
        failure = result.failure
        if failure is None:
            return None
        if self.invariant not in (None, failure.invariant) or self.said not in failure.error:
            return f"expected {self.in_words()}, found violated {failure.invariant}: {failure.error}"
        return None

    def in_words(self) -> str:
        """``violated no-error: '…'``."""
        invariant = f" {self.invariant}" if self.invariant else ""
        return f"{self.verdict}{invariant}" + (f": {self.said!r}" if self.said else "")


class Case(msgspec.Struct, frozen=True):
    """One thing to be run: ``subject`` is a scenario that is searched, or a recording that is replayed.

    ``path`` is the file that it comes from. Without ``expected``, nothing may be violated.
    """

    path: Path
    subject: Scenario | Trace
    expected: Expectation | None = None

    @property
    def kind(self) -> Kind:
        """Whether it is searched or replayed."""
        return "scenario" if isinstance(self.subject, Scenario) else "regression"


class Outcome(msgspec.Struct, frozen=True):
    """What became of a case.

    ``result`` is None where the tool could not do it, which ``error`` says then. ``missed`` says how the result differs
    from what was expected. ``seconds`` include replaying a failure on a disk (``confirmation``).
    """

    case: Case
    seconds: float
    result: Result | None = None
    missed: str | None = None
    confirmation: Confirmation | None = None
    error: CkptraceError | None = None

    @property
    def status(self) -> Status:
        """Failed is a finding, error a fault of the tool or of the request: nothing is known of the code then."""
        if self.error is not None:
            return "error"
        assert self.result is not None
        if self.case.expected is not None:
            return "passed" if self.missed is None else "failed"
        return "failed" if self.result.failure is not None else "passed"

    @property
    def said(self) -> str:
        """The outcome in one line."""
        if self.error is not None:
            return str(self.error)
        assert self.result is not None
        if self.missed is not None:
            return self.missed
        failure = self.result.failure
        if failure is None:
            return f"{self.result.verdict}  {self.result.coverage}"
        known = "as expected, " if self.status == "passed" else ""
        return f"{known}violated {failure.invariant}: {failure.error}"


def exit_code_of(outcomes: list[Outcome]) -> int:
    """1 if anything failed, else that of the gravest error, else 0."""
    if any(outcome.status == "failed" for outcome in outcomes):
        return 1
    return max((outcome.error.exit_code for outcome in outcomes if outcome.error is not None), default=0)
