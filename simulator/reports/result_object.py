"""The result of a search as one JSON object. Its fields are documented in REFERENCE.md and only ever added to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from simulator.campaigns.replay.confirming import Confirmation
from simulator.campaigns.result import Failure, Result
from simulator.reports.printed import output_of
from simulator.reports.reason import raised_at
from simulator.trace import FORMAT_VERSION


def result_object(
    result: Result, traces: Sequence[Path | None] = (), confirmations: Sequence[Confirmation | None] = ()
) -> dict[str, Any]:
    """Plain data with the fields of ``Result``; ``failure.trace`` is the path of the trace file.

    ``traces`` are those paths, failure by failure, and ``confirmations`` what a real disk says of each.
    """
    fields = (
        "verdict",
        "schedules",
        "classes",
        "blocked",
        "states",
        "operations",
        "seconds",
        "seed",
        "digest",
        "coverage",
        "reason",
        "hidden",
        "followed",
        "scenario",
        "certificate",
        "warnings",
    )
    table: dict[str, Any] = {"version": version(), "format": FORMAT_VERSION}
    table |= {field: getattr(result, field) for field in fields}
    table["invariant"] = result.failure.invariant if result.failure is not None else None
    count = len(result.failures)
    failures = [_failure(*each) for each in zip_longest(result.failures, traces[:count], confirmations[:count])]
    table["failure"] = failures[0] if failures else None
    table["failures"] = failures
    return table


def _failure(failure: Failure, trace: Path | None, confirmation: Confirmation | None) -> dict[str, Any]:
    explanation = failure.trace.explanation
    return {
        "invariant": failure.invariant,
        "degraded": failure.degraded,
        "rank": failure.rank,
        "error": failure.error,
        "site": raised_at(failure.trace),
        "output": output_of(failure.trace),
        "signature": failure.signature,
        "schedule": failure.schedule,
        "explanation": None if explanation is None else msgspec.to_builtins(explanation),
        "confirmation": None if confirmation is None else confirmation.outcome,
        "filesystem": None if confirmation is None else confirmation.filesystem,
        "trace": str(trace) if trace is not None else None,
    }


def version() -> str:
    """That of the installed distribution."""
    from importlib import metadata

    return metadata.version("ckptrace")
