"""What became of a suite as one JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from simulator.campaigns.suite.cases import Case, Expectation, Kind, Outcome, Status, exit_code_of
from simulator.reports.result_object import ResultDocument, result_document, version


class Reported(msgspec.Struct, frozen=True):
    """An outcome, and the trace file of its failure if it has one."""

    outcome: Outcome
    trace: Path | None = None

    @property
    def case(self) -> Case:
        """What was run."""
        return self.outcome.case


class CaseDocument(msgspec.Struct, frozen=True):
    """A case: what was run, and what became of it."""

    path: str
    kind: Kind
    status: Status
    said: str
    seconds: float
    expected: Expectation | None
    result: ResultDocument | None


class SuiteDocument(msgspec.Struct, frozen=True):
    """What ``ckptrace ci --json`` gives; ``ckptrace schema ci`` is made of this."""

    version: str
    exit_code: int
    seconds: float
    seed: int
    passed: int
    failed: int
    error: int
    cases: list[CaseDocument]


def suite_object(reported: Sequence[Reported], seconds: float, seed: int) -> dict[str, Any]:
    """Plain data: the counts, and each case with its result as ``explore`` gives it."""
    outcomes = [each.outcome for each in reported]
    document = SuiteDocument(
        version=version(),
        exit_code=exit_code_of(outcomes),
        seconds=seconds,
        seed=seed,
        **{status: sum(outcome.status == status for outcome in outcomes) for status in ("passed", "failed", "error")},
        cases=[_case(each) for each in reported],
    )
    table: dict[str, Any] = msgspec.to_builtins(document)
    return table


def _case(each: Reported) -> CaseDocument:
    outcome = each.outcome
    result = None if outcome.result is None else result_document(outcome.result, [each.trace], [outcome.confirmation])
    return CaseDocument(
        path=str(each.case.path),
        kind=each.case.kind,
        status=outcome.status,
        said=outcome.said,
        seconds=outcome.seconds,
        expected=each.case.expected,
        result=result,
    )
