"""The demonstration as one JSON object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from simulator.campaigns.demonstrating.demonstration import Demonstration, Tried, searches


def demonstration_object(shown: Demonstration, page: Path) -> dict[str, Any]:
    """Plain data: outcomes of the incident, verdicts by strategy, and the accounts of time at 72B."""
    return {
        "seed": shown.seed,
        "seconds": shown.seconds,
        "page": str(page),
        "outcomes": [
            {
                "title": outcome.title,
                "invariant": outcome.failure.invariant,
                "error": outcome.failure.error,
                "schedule": outcome.failure.schedule,
                "digest": outcome.failure.trace.digest,
                "confirmation": outcome.confirmation.outcome,
                "filesystem": outcome.confirmation.filesystem,
            }
            for outcome in shown.outcomes
        ],
        "strategies": [
            {"strategy": each.candidate.title, **{when: _search(tried) for when, tried in searches(each)}}
            for each in shown.surveyed
        ],
        "at_scale": [
            {
                "strategy": run.strategy,
                "seconds": run.seconds,
                "raised": run.raised,
                "verdict": run.verdict,
                "invariant": run.violation.invariant if run.violation is not None else None,
                "error": run.violation.message if run.violation is not None else None,
                "judged": run.judged,
                "left": run.left,
                "saves": msgspec.to_builtins(run.saves),
                "warnings": run.warnings,
                "ranks": msgspec.to_builtins(run.usage),
            }
            for run in shown.at_scale
        ],
    }


def _search(tried: Tried) -> dict[str, Any]:
    failure = tried.result.failure
    return {
        "verdict": tried.result.verdict,
        "invariant": failure.invariant if failure is not None else None,
        "error": failure.error if failure is not None else None,
        "schedules": tried.result.schedules,
        "confirmation": tried.confirmation.outcome if tried.confirmation is not None else None,
    }
