"""What the demonstration shows, and what it is expected to show: a difference is a fault of this project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from simulator.campaigns.demonstrating.incident import STRATEGY, Outcome
from simulator.campaigns.demonstrating.survey import Surveyed, Tried
from simulator.campaigns.scale.scale_result import ScaleResult

REMEDY = "staged-barrier"
"""The strategy that the incident is compared with at its own size."""


class Demonstration(msgspec.Struct):
    """The three outcomes of the incident, every strategy, and the incident at its own size beside a remedy."""

    outcomes: list[Outcome]
    surveyed: list[Surveyed]
    at_scale: list[ScaleResult]
    seed: int = 0
    seconds: float = 0.0


_EITHER = None
_EXPECTED: Mapping[str, tuple[str | None, str | None]] = {
    "incremental": ("clean", "clean"),
    "manifest": ("clean", "clean"),
    "per-node-dirs": ("clean", "clean"),
    "staged-barrier": ("clean", "clean"),
    "transformers-4.35": ("clean", "violated"),
    "transformers-4.36.0": ("violated", "violated"),
    "transformers-4.36.1": ("violated", "violated"),
    "transformers-4.36.2": ("clean", _EITHER),
    "transformers-4.36.2, save on each node": ("violated", "violated"),
    "transformers-4.37": ("clean", _EITHER),
    "transformers-4.38": ("violated", "violated"),
    "transformers-4.49-dev-35580": ("violated", "violated"),
    "transformers-4.49-dev-36094": ("violated", "violated"),
    "transformers-4.52": ("clean", "violated"),
    "transformers-5.23": ("clean", "violated"),
}
"""Verdicts by strategy: when nobody dies, and when a rank or the job may."""


def surprises(demonstration: Demonstration) -> list[str]:
    """What came out otherwise than expected, a line each; nothing when all is well."""
    lines = [
        f"{outcome.title}: {outcome.confirmation.text}"
        for outcome in demonstration.outcomes
        if outcome.confirmation.outcome != "confirmed"
    ]
    for each in demonstration.surveyed:
        expected = _EXPECTED.get(each.candidate.title, (_EITHER, _EITHER))
        for verdict, (when, tried) in zip(expected, searches(each), strict=True):
            if verdict is not _EITHER and tried.result.verdict != verdict:
                lines.append(f"{each.candidate.title}, {when}: {tried.result.verdict}, expected was {verdict}")
            if tried.confirmation is not None and tried.confirmation.outcome == "disagree":
                lines.append(f"{each.candidate.title}, {when}: {tried.confirmation.text}")
    return lines + _at_scale(demonstration.at_scale)


def searches(each: Surveyed) -> Sequence[tuple[str, Tried]]:
    """The two searches of a strategy, each with the words for it."""
    return (("nobody dies", each.undisturbed), ("a rank or the job may die", each.dying))


def _at_scale(runs: Sequence[ScaleResult]) -> list[str]:
    lines = []
    for run in runs:
        fails = run.verdict == "violated"
        if run.strategy in (STRATEGY, REMEDY) and fails != (run.strategy == STRATEGY):
            lines.append(f"{run.strategy} at the size of 72B: it {'fails' if fails else 'does not fail'}")
    return lines
