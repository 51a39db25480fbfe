"""The result of a search as one JSON object. Its fields are documented in REFERENCE.md and only ever added to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from simulator.campaigns.replay.confirming import Confirmation
from simulator.campaigns.result import Failure, Result
from simulator.reports.printed import output_of
from simulator.reports.reason import raised_at
from simulator.trace import FORMAT_VERSION


class FailureDocument(msgspec.Struct, frozen=True):
    """A violation. ``trace`` is the path of the trace file, ``site`` the line that raised."""

    invariant: str
    degraded: bool
    rank: int | None
    error: str
    site: str | None
    output: dict[str, str]
    signature: str
    schedule: int
    explanation: dict[str, Any] | None
    confirmation: str | None
    filesystem: str | None
    trace: str | None


class ResultDocument(msgspec.Struct, frozen=True):
    """What ``--json`` of a search or a replay gives; ``ckptrace schema result`` is made of this."""

    version: str
    format: int
    verdict: Literal["violated", "clean", "certified", "incomplete"]
    schedules: int
    classes: int | None
    blocked: int | None
    states: int
    operations: int
    seconds: float
    minimising: float
    seed: int
    digest: str | None
    coverage: str
    reason: str | None
    hidden: str | None
    unseen: list[str]
    followed: int | None
    scenario: dict[str, Any]
    certificate: dict[str, Any] | None
    warnings: list[str]
    judged: list[str]
    invariant: str | None
    failure: FailureDocument | None
    failures: list[FailureDocument]


_OWN: Final = frozenset({"version", "format", "invariant", "failure", "failures"})
_OF_A_RESULT: Final = tuple(field for field in ResultDocument.__struct_fields__ if field not in _OWN)


def result_object(
    result: Result, traces: Sequence[Path | None] = (), confirmations: Sequence[Confirmation | None] = ()
) -> dict[str, Any]:
    """Plain data with the fields of ``Result``; ``failure.trace`` is the path of the trace file.

    ``traces`` are those paths, failure by failure, and ``confirmations`` what a real disk says of each.
    """
    table: dict[str, Any] = msgspec.to_builtins(result_document(result, traces, confirmations))
    return table


def result_document(
    result: Result, traces: Sequence[Path | None] = (), confirmations: Sequence[Confirmation | None] = ()
) -> ResultDocument:
    """The same as a record."""
    count = len(result.failures)
    failures = [_failure(*each) for each in zip_longest(result.failures, traces[:count], confirmations[:count])]
    return ResultDocument(
        version=version(),
        format=FORMAT_VERSION,
        invariant=None if result.failure is None else result.failure.invariant,
        failure=failures[0] if failures else None,
        failures=failures,
        **{field: getattr(result, field) for field in _OF_A_RESULT},
    )


def _failure(failure: Failure, trace: Path | None, confirmation: Confirmation | None) -> FailureDocument:
    explanation = failure.trace.explanation
    return FailureDocument(
        invariant=failure.invariant,
        degraded=failure.degraded,
        rank=failure.rank,
        error=failure.error,
        site=raised_at(failure.trace),
        output=output_of(failure.trace),
        signature=failure.signature,
        schedule=failure.schedule,
        explanation=None if explanation is None else msgspec.to_builtins(explanation),
        confirmation=None if confirmation is None else confirmation.outcome,
        filesystem=None if confirmation is None else confirmation.filesystem,
        trace=None if trace is None else str(trace),
    )


def version() -> str:
    """That of the installed distribution."""
    from importlib import metadata

    return metadata.version("ckptrace")
