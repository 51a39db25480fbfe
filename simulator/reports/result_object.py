"""The result of a search as one JSON object. Its fields are documented in REFERENCE.md and only ever added to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from simulator.campaigns.replay.confirming import Confirmation
from simulator.campaigns.result import Failure, Result
from simulator.reports.printed import output_of
from simulator.reports.reason import raised_at
from simulator.trace import FORMAT_VERSION


def result_object(result: Result, trace: Path | None, confirmation: Confirmation | None = None) -> dict[str, Any]:
    """Plain data with the fields of ``Result``; ``failure.trace`` is the path of the trace file."""
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
        "followed",
        "scenario",
        "certificate",
        "warnings",
    )
    table: dict[str, Any] = {"version": version(), "format": FORMAT_VERSION}
    table |= {field: getattr(result, field) for field in fields}
    table["invariant"] = result.failure.invariant if result.failure is not None else None
    table["failure"] = _failure(result.failure, trace, confirmation) if result.failure is not None else None
    return table


def _failure(failure: Failure, trace: Path | None, confirmation: Confirmation | None) -> dict[str, Any]:
    explanation = failure.trace.explanation
    return {
        "invariant": failure.invariant,
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
