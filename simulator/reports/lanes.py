"""Lanes in characters: one column per rank, the rank's number where it acts, rules where ranks meet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from simulator.reports.timeline import Ended, Fold, Heading, Meeting, Operation, Row, Strike

Style: TypeAlias = Literal["lane", "rank", "switch", "rule", "bad"]
Span: TypeAlias = tuple[str, Style]

MOST_LANES = 12
"""A job with more ranks than this shows lanes only for those that do something in what is shown."""


class Glyphs(msgspec.Struct, frozen=True):
    """The characters that lanes are drawn with."""

    lane: str = "│"
    waits: str = "┊"
    over: str = "─"
    cross: str = "┼"
    branch_right: str = "├"
    branch_left: str = "┤"
    corner_right: str = "╰"
    corner_left: str = "╯"
    dead: str = "✗"
    meets: str = "┿"
    meets_over: str = "━"
    arrow: str = "→"
    ellipsis: str = "…"
    more: str = "⋮"


UNICODE = Glyphs()
ASCII = Glyphs("|", ":", "-", "+", "+", "+", "+", "+", "x", "=", "=", "->", "~", ":")


def shown_ranks(rows: Iterable[Row], ranks: Sequence[int]) -> list[int]:
    """The ranks that get a lane: all of a small job, else those that act in ``rows``, the deciding ones first."""
    if len(ranks) <= MOST_LANES:
        return list(ranks)
    deciding: dict[int, None] = {}
    acting: dict[int, None] = {}
    for row in rows:
        if isinstance(row, Operation | Ended):
            (deciding if isinstance(row, Ended) or row.mark or row.failed else acting)[row.rank] = None
        elif isinstance(row, Strike):
            deciding |= dict.fromkeys(row.ranks)
    return sorted([rank for rank in deciding | acting if rank in ranks][:MOST_LANES])


def ranks_said(ranks: Sequence[int], to: str) -> str:
    """``rank 3``, ``ranks 0-7``, ``ranks 24 30 31``: those that have a lane, ``to`` between first and last."""
    if len(ranks) == 1:
        return f"rank {ranks[0]}"
    if ranks[-1] - ranks[0] == len(ranks) - 1:
        return f"ranks {ranks[0]}{to}{ranks[-1]}"
    return f"ranks {' '.join(map(str, ranks))}"


class Lanes:
    """Draws the lanes of one schedule, row by row."""

    def __init__(self, ranks: Sequence[int], glyphs: Glyphs = UNICODE) -> None:
        self._ranks = list(ranks)
        self._column = {rank: index for index, rank in enumerate(self._ranks)}
        self._glyphs = glyphs
        self._pitch = 2 if len(self._ranks) > 8 and max(self._ranks, default=0) < 10 else 3
        self.width = max(0, self._pitch * len(self._ranks) - self._pitch + 1) + (max(self._ranks, default=0) > 9)

    def row(self, row: Row) -> list[Span]:
        """The lanes beside one row, exactly ``width`` columns."""
        glyphs = self._glyphs
        canvas = _Canvas(self.width)
        if isinstance(row, Heading):
            return canvas.spans()
        waiting = row.ranks if isinstance(row, Fold) else frozenset()
        for rank, column in self._column.items():
            if rank in row.alive:
                canvas.put(column * self._pitch, glyphs.waits if rank in waiting else glyphs.lane, "lane")
        if isinstance(row, Operation):
            self._act(canvas, row)
        elif isinstance(row, Meeting):
            self._meet(canvas, row)
        elif isinstance(row, Strike):
            for rank in row.ranks:
                self._place(canvas, rank, glyphs.dead, "bad")
        elif isinstance(row, Ended):
            self._place(canvas, row.rank, glyphs.dead, "bad")
        return canvas.spans()

    def _place(self, canvas: _Canvas, rank: int, text: str, style: Style) -> None:
        column = self._column.get(rank)
        if column is not None:
            canvas.put(column * self._pitch, text, style)

    def _act(self, canvas: _Canvas, row: Operation) -> None:
        here = self._column.get(row.rank)
        there = self._column.get(row.previous) if row.previous is not None else None
        if here is None:
            return
        if row.switch == "chosen" and there is not None and there != here:
            self._connect(canvas, there, here, row.previous in row.alive, row.alive)
        canvas.put(here * self._pitch, str(row.rank), "bad" if row.failed else "rank")

    def _connect(self, canvas: _Canvas, there: int, here: int, goes_on: bool, alive: frozenset[int]) -> None:
        """A line from the rank that went last to the one that goes on instead of it."""
        glyphs = self._glyphs
        pitch = self._pitch
        rightwards = there < here
        first, last = (there, here) if rightwards else (here, there)
        lanes = {column * pitch for rank, column in self._column.items() if rank in alive}
        for x in range(first * pitch + 1, last * pitch):
            canvas.put(x, glyphs.cross if x in lanes else glyphs.over, "switch")
        if rightwards:
            corner = glyphs.branch_right if goes_on else glyphs.corner_right
        else:
            corner = glyphs.branch_left if goes_on else glyphs.corner_left
        canvas.put(there * pitch, corner, "switch")

    def _meet(self, canvas: _Canvas, row: Meeting) -> None:
        glyphs = self._glyphs
        columns = [self._column[rank] * self._pitch for rank in row.ranks if rank in self._column]
        if not columns:
            return
        for x in range(min(columns), max(columns) + 1):
            canvas.put(x, glyphs.meets if x in columns else glyphs.meets_over, "rule")


class _Canvas:
    """One line of styled characters."""

    def __init__(self, width: int) -> None:
        self._cells: list[tuple[str, Style]] = [(" ", "lane")] * width

    def put(self, x: int, text: str, style: Style) -> None:
        for offset, character in enumerate(text):
            if x + offset < len(self._cells):
                self._cells[x + offset] = (character, style)

    def spans(self) -> list[Span]:
        """Neighbours of one style together."""
        spans: list[Span] = []
        for character, style in self._cells:
            if spans and spans[-1][1] == style:
                spans[-1] = (spans[-1][0] + character, style)
            else:
                spans.append((character, style))
        return spans
