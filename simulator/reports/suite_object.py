"""What became of a suite as one JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from simulator.campaigns.suite.cases import Case, Outcome, exit_code_of
from simulator.reports.result_object import result_object


class Reported(msgspec.Struct, frozen=True):
    """An outcome, and the trace file of its failure if it has one."""

    outcome: Outcome
    trace: Path | None = None

    @property
    def case(self) -> Case:
        """What was run."""
        return self.outcome.case


def suite_object(reported: Sequence[Reported], seconds: float, seed: int) -> dict[str, Any]:
    """Plain data: the counts, and each case with its result as ``explore`` gives it."""
    outcomes = [each.outcome for each in reported]
    return {
        "version": metadata.version("ckptrace"),
        "exit_code": exit_code_of(outcomes),
        "seconds": seconds,
        "seed": seed,
        **{status: sum(outcome.status == status for outcome in outcomes) for status in ("passed", "failed", "error")},
        "cases": [_case(each) for each in reported],
    }


def _case(each: Reported) -> dict[str, Any]:
    outcome, expected = each.outcome, each.case.expected
    return {
        "path": str(each.case.path),
        "kind": each.case.kind,
        "status": outcome.status,
        "said": outcome.said,
        "seconds": outcome.seconds,
        "expected": None if expected is None else msgspec.to_builtins(expected),
        "result": None
        if outcome.result is None
        else result_object(outcome.result, [each.trace], [outcome.confirmation]),
    }
