"""Stall against safety as a picture: inline SVG that is as wide as the page allows.

Letters stay as large as the text's, and colours are those of the page, so that it can be read on a phone, on paper, and
in the dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from simulator.campaigns.comparison.outcome import Compared
from simulator.reports.comparison.quantities import duration
from simulator.reports.html.page import Content, Markup, element

_LINE = 18
"""Pixels from one line of a label to the next."""


class Point(msgspec.Struct, frozen=True):
    """Strategies with the same stall and the same safety. ``stall`` in seconds, None where no save ended."""

    violated: int
    stall: float | None
    names: tuple[str, ...]


def stall_and_safety(compared: Sequence[Compared], situations: int) -> Markup:
    """Each strategy as a point: to the right what a save stalls, downwards in how many situations it fails."""
    points = points_of(compared)
    highest = max((point.stall for point in points if point.stall is not None), default=1.0) or 1.0
    rows: list[Content] = []
    y = _LINE * 1.5
    for violated in sorted({point.violated for point in points}):
        said = "nothing violated" if not violated else f"violated in {violated} of {situations}"
        rows.append(_text("0", y, said, class_="level"))
        y += _LINE * 0.5
        for point in [point for point in points if point.violated == violated]:
            rows.append(_marked(point, y, highest))
            y += _LINE * (len(point.names) + 0.5)
        rows.append(element("line", x1="0", x2="100%", y1=f"{y:.0f}", y2=f"{y:.0f}", class_="rule"))
        y += _LINE * 1.5
    ticks = [
        [
            element("line", x1=_across(tick, highest), x2=_across(tick, highest), y1="0", y2=f"{y - _LINE:.0f}",
                    class_="grid"),
            _text(_across(tick, highest), y, duration(tick) if tick else "0 s", class_="tick"),
        ]
        for tick in _ticks(highest)
    ]  # fmt: skip
    said = "; ".join(_said(point) for point in points)
    return element(
        "figure",
        element("svg", ticks, rows, class_="points", width="100%", height=f"{y + _LINE:.0f}", role="img",
                aria_label=f"Stall of a save against safety: {said}"),
        element("figcaption", "To the right: how long a save stalls training. Further up: fewer situations in which "
                "something is violated, the real shape being one. A hollow mark: no save ended."),
    )  # fmt: skip


def points_of(compared: Sequence[Compared]) -> list[Point]:
    """Strategies that would be drawn on top of each other together, the safest and fastest first."""
    found: dict[tuple[int, float], list[Compared]] = {}
    for each in compared:
        economy = each.measured.economy
        found.setdefault((each.violated, -1.0 if economy is None else round(economy.stall, 0)), []).append(each)
    return [
        Point(violated, None if stall < 0 else stall, tuple(each.candidate.title for each in group))
        for (violated, stall), group in sorted(found.items(), key=lambda item: item[0])
    ]


def _marked(point: Point, y: float, highest: float) -> list[Content]:
    """A mark, and the names on the side of it where there is room."""
    stall = point.stall or 0.0
    x = _across(stall, highest)
    left = stall > highest / 2
    middle = y + _LINE * 0.7
    names = [
        element("tspan", name, x=x, dx="-12" if left else "12", dy=f"{_LINE if number else 0}")
        for number, name in enumerate(point.names)
    ]
    return [
        element("circle", cx=x, cy=f"{middle:.0f}", r="5", class_="hollow" if point.stall is None else None),
        element("text", names, y=f"{middle + 4:.0f}", text_anchor="end" if left else "start"),
    ]


def _across(stall: float, highest: float) -> str:
    """Where a stall lies, with room for a mark at either edge."""
    return f"{2 + 92 * stall / (highest * 1.05):.2f}%"


def _ticks(highest: float) -> list[float]:
    """A handful of round values from 0 on."""
    rough = highest / 4
    scale = 10 ** math.floor(math.log10(rough))
    step = min((factor * scale for factor in (1, 2, 2.5, 5, 10)), key=lambda step: abs(step - rough))
    return [number * step for number in range(int(highest / step) + 1)]


def _said(point: Point) -> str:
    stall = "no save ended" if point.stall is None else duration(point.stall)
    return f"{', '.join(point.names)}: {stall}, violated in {point.violated}"


def _text(x: str, y: float, said: str, **attributes: str) -> Markup:
    return element("text", said, x=x, y=f"{y:.0f}", **attributes)
