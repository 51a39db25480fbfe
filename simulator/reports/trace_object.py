"""What a recorded run is, as one JSON object: a summary with every operation in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simulator.reports.printed import output_of
from simulator.reports.reason import reason_of
from simulator.reports.timeline import Ended, Meeting, Operation, Row, Strike, rows_of
from simulator.trace import Trace


def trace_object(trace: Trace, path: Path) -> dict[str, Any]:
    """Plain data: verdict, reason, and the operations in schedule order."""
    reason = reason_of(trace)
    verdict = trace.verdict
    return {
        "trace": str(path),
        "format": trace.format,
        "verdict": "violated" if verdict is not None else "clean",
        "invariant": verdict.invariant if verdict is not None else None,
        "rank": verdict.rank if verdict is not None else None,
        "error": verdict.message if verdict is not None else None,
        "site": reason.site,
        "signature": verdict.signature if verdict is not None else None,
        "reason": [*(f"{one.letter}: {one.text}" for one in reason.cited), *reason.sentences],
        "output": output_of(trace),
        "digest": trace.digest,
        "versions": trace.versions,
        "scenario": trace.scenario,
        "schedule": [said for row in rows_of(trace, reason.marks) if (said := _row(row)) is not None],
    }


def _row(row: Row) -> dict[str, Any] | None:
    if isinstance(row, Operation):
        return {
            "attempt": row.attempt,
            "step": row.step,
            "rank": row.rank,
            "operation": row.phrase.call,
            "paths": list(row.phrase.paths),
            "detail": row.phrase.detail,
            "outcome": row.phrase.outcome,
            "refused": row.phrase.refused,
            "site": row.site,
            "switch": row.switch,
            "mark": row.mark,
        }
    if isinstance(row, Meeting):
        return {"attempt": row.attempt, "step": row.step, "ranks": list(row.ranks), "collective": row.said}
    if isinstance(row, Strike):
        return {"attempt": row.attempt, "fault": row.said, "ranks": list(row.ranks)}
    if isinstance(row, Ended):
        return {"attempt": row.attempt, "rank": row.rank, "ended": row.said, "site": row.site}
    return None
