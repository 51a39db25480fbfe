"""Operations that a reader takes for one: a file opened, written and closed by one rank with nobody in between."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from simulator.narration import Phrase
from simulator.reports.timeline import Operation, Row

_INSIDE = frozenset({"read", "write", "close", "fsync", "fdatasync", "stat", "lstat", "truncate", "chmod"})
"""What may follow an open on the same path and belong to it."""


def joined(rows: Sequence[Row]) -> list[Row]:
    """The rows with runs of operations on one file put into one. Marked and failed operations stay by themselves."""
    result: list[Row] = []
    run: list[Operation] = []
    for row in rows:
        if run and isinstance(row, Operation) and _belongs(row, run[0]):
            run.append(row)
            continue
        result.extend(_closed(run))
        run = [row] if isinstance(row, Operation) and _begins(row) else []
        if not run:
            result.append(row)
    result.extend(_closed(run))
    return result


def _begins(row: Operation) -> bool:
    return row.phrase.call == "open" and row.phrase.detail != "directory" and not (row.mark or row.phrase.refused)


def _belongs(row: Operation, first: Operation) -> bool:
    same = (row.task, row.phrase.paths) == (first.task, first.phrase.paths)
    return same and row.phrase.call in _INSIDE and not (row.mark or row.switch or row.phrase.refused)


def _closed(run: Sequence[Operation]) -> list[Row]:
    calls = [row.phrase.call for row in run]
    if "write" not in calls and "read" not in calls:
        return list(run)
    first = run[0]
    sizes = [row.phrase.detail for row in run if row.phrase.call == "write"]
    parts = ["" if not sizes else sizes[0] if len(sizes) == 1 else f"{len(sizes)} writes"]
    parts += [call for call in ("fsync", "fdatasync") if call in calls]
    if calls[-1] != "close":
        parts.append("not yet closed")
    phrase = Phrase("write" if sizes else "read", first.phrase.paths, ", ".join(part for part in parts if part))
    return [msgspec.structs.replace(first, phrase=phrase, joined=len(run))]
