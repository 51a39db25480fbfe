"""Why a run failed, in sentences: the verdict, the deciding pair of operations, and what the other order gives.

Reads a trace's ``explanation``: ``first`` and ``second`` are the two operations (attempt, position among its events),
``flipped`` says what the same run gives with the second before the first, ``text`` is anything else worth saying.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from simulator.invariants.violation import BUILT_IN, meaning_of
from simulator.narration import source_line
from simulator.reports.timeline import Marks, Operation, Row, at_an_instant, rows_of
from simulator.trace import Trace

_PASSES = re.compile(r"\bpasses\b(?=[.,;]|$)")
"""Said of another run: it has only passed what was judged."""

_OF_A_RESTART = frozenset(each.name for each in BUILT_IN if each.restart == "always")


class Cited(msgspec.Struct, frozen=True):
    """An operation that a reason names: ``letter`` is how the lanes mark it, ``site`` is ``path/to/file.py:12``."""

    letter: str
    rank: int
    said: str
    outcome: str
    refused: bool
    site: str | None

    @property
    def text(self) -> str:
        """``rank 1: rename a → b (ENOTEMPTY), save.py:12``."""
        place = f", {source_line(self.site)}" if self.site else ""
        return f"rank {self.rank}: {self.said}" + (f" ({self.outcome})" if self.outcome else "") + place


class Reason(msgspec.Struct, frozen=True):
    """Everything that is said about a failing trace in words."""

    invariant: str
    meaning: str
    message: str
    site: str | None
    """Where the rank raised, ``path/to/file.py:12``, if one did."""
    cited: tuple[Cited, ...]
    sentences: tuple[str, ...]
    marks: Mapping[tuple[int, int], str]


def reason_of(trace: Trace) -> Reason:
    """The reason of a failing trace; of a passing one, an empty reason."""
    verdict = trace.verdict
    marks = _marks(trace)
    rows = rows_of(trace, marks)
    cited = _cited(rows)
    return Reason(
        invariant=verdict.invariant if verdict is not None else "",
        meaning=meaning_of(verdict.invariant, degraded=verdict.degraded) if verdict is not None else "",
        message=verdict.message if verdict is not None else "",
        site=raised_at(trace),
        cited=cited,
        sentences=tuple(_sentences(trace, cited)),
        marks=marks,
    )


def raised_at(trace: Trace) -> str | None:
    """``file:line`` of the code under test that raised what the verdict is about."""
    verdict = trace.verdict
    if verdict is None or verdict.invariant != "no-error" or verdict.rank is None or not trace.attempts:
        return None
    return trace.attempts[-1].sites.get(verdict.rank)


def _marks(trace: Trace) -> Marks:
    explanation = trace.explanation or {}
    marks: dict[tuple[int, int], str] = {}
    for letter, key in (("A", "first"), ("B", "second")):
        found = explanation.get(key)
        if isinstance(found, Mapping) and isinstance(found.get("position"), int):
            marks[int(found.get("attempt", 0)), found["position"]] = letter
    return marks


def _cited(rows: list[Row]) -> tuple[Cited, ...]:
    """The deciding pair, then the operation at which the verdict fell where it is neither of them."""
    marked = [row for row in rows if isinstance(row, Operation) and row.mark]
    return tuple(
        Cited(row.mark, row.rank, " ".join(row.phrase.line().split()), row.phrase.outcome, row.phrase.refused, row.site)
        for row in sorted(marked, key=lambda row: row.mark if row.mark != "!" else "~")
    )


def _sentences(trace: Trace, cited: tuple[Cited, ...]) -> list[str]:
    explanation: Mapping[str, Any] = trace.explanation or {}
    invariant = trace.verdict.invariant if trace.verdict is not None else ""
    judged: Sequence[str] = trace.scenario.get("invariants") or ()
    sentences = []
    letters = [one.letter for one in cited]
    if "A" in letters and "B" in letters:
        sentences.append("The order of A and B decides: here A comes first.")
    if "!" in letters and invariant in _OF_A_RESTART:
        sentences.append("Should the job die right after the operation marked !, this is what a restart would meet.")
    elif invariant in _OF_A_RESTART and "!" not in letters and not at_an_instant(trace):
        sentences.append("This is what is left when the job has ended.")
    for key in ("flipped", "text"):
        said = explanation.get(key)
        if isinstance(said, str) and said:
            sentences.append(_PASSES.sub(f"passes {', '.join(judged)}", said) if judged else said)
    return sentences
