"""What may be left out of a long schedule, so that the part that matters fits on a screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice

from simulator.narration import ranks_in_words
from simulator.reports.timeline import Ended, Fold, Heading, Meeting, Operation, Row, Strike

_NAMESPACE = frozenset({"rename", "rmdir", "mkdir", "mkfifo", "unlink", "link", "symlink"})

_FEW = 6
"""So many chosen context switches are always shown."""

_Radii = tuple[int, int, int]
"""How many neighbours on either side stay, of a row of weight 3, 2 and 1; -1: such rows need not stay themselves."""
_STAGES: tuple[_Radii, ...] = (
    (8, 4, 0),
    (6, 3, -1),
    (4, 2, -1),
    (3, 1, -1),
    (2, 0, -1),
    (1, 0, -1),
    (1, -1, -1),
    (0, -1, -1),
)


def folded(rows: Sequence[Row], most: int) -> list[Row]:
    """At most about ``most`` rows: the marked operations, faults, raised errors and chosen switches go last.

    What has to stay stays, even when that is more than ``most``. A fold never replaces fewer than two rows.
    """
    if len(rows) <= most:
        return list(rows)
    weights = _weights(rows)
    for radii in _STAGES:
        shown = _fold(rows, _kept(weights, radii))
        if len(shown) <= most:
            return shown
    return shown


def fold_without_lane(rows: Sequence[Row], ranks: Collection[int]) -> list[Row]:
    """The rows with operations of ranks that have no lane folded: nothing beside them says whose they are."""
    shown: list[Row] = []
    run: list[Row] = []
    for row in [*rows, None]:
        laneless = isinstance(row, Operation) and row.rank not in ranks and not (row.mark or row.failed)
        if row is not None and (laneless or isinstance(row, Fold)):
            run.append(row)
            continue
        # A fold by itself stays as it is.
        if any(isinstance(each, Operation) for each in run):
            shown.append(_summed_up(tuple(inner for each in run for inner in _inside(each))))
        else:
            shown.extend(run)
        run.clear()
        if row is not None:
            shown.append(row)
    return shown


def _inside(row: Row) -> tuple[Row, ...]:
    return row.rows if isinstance(row, Fold) else (row,)


def _weights(rows: Sequence[Row]) -> list[int]:
    """3: the story is not told without the row. 2: something that it hangs on. 1: context."""
    marked = [row for row in rows if isinstance(row, Operation) and row.mark]
    touched = {path for row in marked for path in row.phrase.paths}
    weights = [_weight(row, touched) for row in rows]
    chosen = [position for position, row in enumerate(rows) if isinstance(row, Operation) and row.switch == "chosen"]
    for position in chosen:
        # Who goes on, and what was interrupted.
        for near in (position, position - 1) if position else (position,):
            weights[near] = max(weights[near], 3 if len(chosen) <= _FEW else 2)
    for position in (*_before_strikes(rows), *_what_moved(rows)):
        weights[position] = 3
    return weights


def _before_strikes(rows: Sequence[Row]) -> Iterator[int]:
    """The last thing that a rank did before it was struck: what it left behind is what the fault is about."""
    for position, row in enumerate(rows):
        if isinstance(row, Strike):
            before = (p for p in range(position - 1, -1, -1) if isinstance(rows[p], Operation))
            yield from islice((p for p in before if not row.ranks or _rank_of(rows[p]) in row.ranks), 1)


def _what_moved(rows: Sequence[Row]) -> Iterator[int]:
    """The last rename, before an operation failed, of a path that it is about, or of a directory above that."""
    for position, row in enumerate(rows):
        if isinstance(row, Operation) and row.failed:
            above = {path[:end] for path in row.phrase.paths for end in _ends(path)}
            before = (p for p in range(position - 1, -1, -1) if _renames(rows[p], above))
            yield from islice(before, 1)


def _ends(path: str) -> list[int]:
    return [index for index, character in enumerate(path) if character == "/"] + [len(path)]


def _renames(row: Row, paths: Collection[str]) -> bool:
    return (
        isinstance(row, Operation)
        and row.phrase.call == "rename"
        and not row.phrase.refused
        and any(path in paths for path in row.phrase.paths)
    )


def _rank_of(row: Row) -> int | None:
    return row.rank if isinstance(row, Operation) else None


def _weight(row: Row, touched: set[str]) -> int:
    if isinstance(row, Heading | Strike | Ended):
        return 3
    if not isinstance(row, Operation):
        return 1
    if row.mark:
        return 3
    if not touched:
        # No single operation decides: what is published tells the story.
        return 0 if row.phrase.call != "rename" else 2 if row.phrase.refused else 3
    near = any(path in touched for path in row.phrase.paths)
    return 2 if near and row.phrase.call in _NAMESPACE else 1 if near else 0


def _kept(weights: Sequence[int], radii: _Radii) -> list[bool]:
    kept = [False] * len(weights)
    for position, weight in enumerate(weights):
        radius = radii[3 - weight] if weight else -1
        for near in range(max(0, position - radius), min(len(weights), position + radius + 1)) if radius >= 0 else ():
            kept[near] = True
    return kept


def _fold(rows: Sequence[Row], kept: Sequence[bool]) -> list[Row]:
    shown: list[Row] = []
    hidden: list[Row] = []
    for row, keep in zip(rows, kept, strict=True):
        if keep:
            _close(hidden, shown)
            shown.append(row)
        else:
            hidden.append(row)
    _close(hidden, shown)
    return shown


def _close(hidden: list[Row], shown: list[Row]) -> None:
    if len(hidden) < 2:
        shown.extend(hidden)
    else:
        shown.append(_summed_up(tuple(hidden)))
    hidden.clear()


def _summed_up(rows: tuple[Row, ...]) -> Fold:
    operations = [row for row in rows if isinstance(row, Operation)]
    meetings = [row for row in rows if isinstance(row, Meeting)]
    ranks = {row.rank for row in operations} | {rank for row in meetings for rank in row.ranks}
    last = rows[-1]
    assert isinstance(last, Operation | Meeting), "headings, faults and endings are never folded"
    parts = []
    if operations:
        who = sorted({row.rank for row in operations})
        parts.append(f"{_counted(sum(row.joined for row in operations), 'operation')} of {ranks_in_words(who)}")
    written = _distinct(operations, lambda row: row.phrase.call == "write")
    if written:
        parts.append(f"writing {_names(written)}")
    removed = _distinct(operations, lambda row: row.phrase.call == "unlink" and not row.phrase.outcome)
    if removed:
        parts.append(f"deleting {_names(removed)}")
    for said, count in Counter(row.said for row in meetings).items():
        parts.append(said if count == 1 else f"{count} x {said}")
    return Fold(rows, ", ".join(parts), frozenset(ranks), last.alive)


def _distinct(operations: Sequence[Operation], wanted: Callable[[Operation], bool]) -> list[str]:
    """The last parts of the paths of those operations, each once, in order."""
    return list(dict.fromkeys(row.phrase.paths[0].rpartition("/")[2] for row in operations if wanted(row)))


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} and {len(names) - 1} more files"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
