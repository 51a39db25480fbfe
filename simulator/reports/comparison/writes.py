"""What each node writes during a save, as pictures: inline SVG that is as wide as the page allows."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from simulator.campaigns.scale.scale_result import SaveTime, ScaleResult
from simulator.clock import SECOND
from simulator.costs.usage import Flow
from simulator.reports.comparison.quantities import duration, rate
from simulator.reports.html.page import Markup, element

_BINS = 160
_ROUNDS = 40
_ALIKE = 0.02
"""Nodes whose curves differ by less than this part of the highest are drawn once."""


class Strip(msgspec.Struct, frozen=True):
    """The nodes that wrote alike, and what each of them wrote, by bins of the time of a save, in GB/s."""

    first: int
    last: int
    rates: tuple[float, ...]

    @property
    def nodes(self) -> str:
        """``node 0`` or ``nodes 1 to 7``."""
        return f"node {self.first}" if self.first == self.last else f"nodes {self.first} to {self.last}, each"


def node_writes(run: ScaleResult, cap: float) -> Markup | None:
    """What each node wrote during the first save, a strip for each; None where no save returned on every rank.

    ``cap`` is what a node can write at most, in GB/s.
    """
    if not run.saves:
        return None
    save = run.saves[0]
    strips = strips_of(run.flows, run.epoch, save, len(run.nodes), cap)
    highest = max((max(strip.rates) for strip in strips), default=0.0)
    if not highest:
        return None
    return element(
        "figure",
        [
            element(
                "div",
                element("span", strip.nodes, class_="who"),
                _area(strip, highest),
                element("span", f"up to {rate(max(strip.rates))}", class_="most"),
                class_="strip",
            )
            for strip in strips
        ],
        element("div", element("span"), element("span", element("b", "0 s"), element("b", duration(save.seconds)),
                class_="axis"), element("span"), class_="strip"),
        element("figcaption", f"What each node writes during one save; all strips to one scale, of {rate(highest)}."),
        class_="writes",
    )  # fmt: skip


def strips_of(flows: Sequence[Flow], epoch: int, save: SaveTime, nodes: int, cap: float = math.inf) -> list[Strip]:
    """The curves of all nodes during a save, neighbours with the same one together."""
    start = epoch + round(save.began * SECOND)
    width = save.seconds * SECOND / _BINS
    writes: list[list[Flow]] = [[] for _ in range(nodes)]
    for flow in flows:
        if flow.write and flow.ended > flow.began:
            writes[flow.node].append(flow)
    curves = [_curve(of_node, start, width, cap) for of_node in writes]
    highest = max(map(max, curves), default=0.0)
    strips: list[Strip] = []
    for node, curve in enumerate(curves):
        before = strips[-1] if strips else None
        if before is not None and all(abs(a - b) <= _ALIKE * highest for a, b in zip(before.rates, curve, strict=True)):
            strips[-1] = Strip(before.first, node, before.rates)
        else:
            strips.append(Strip(node, node, tuple(curve)))
    return strips


def _curve(flows: Sequence[Flow], start: int, width: float, cap: float) -> list[float]:
    """What a node wrote, by bins, in GB/s.

    Of a write only its size and its time are known. It counts as even; where that would be more than the node can
    write, those writes give way that have room at another time of theirs.
    """
    parts = [part for flow in flows if (part := _even(flow, start, width)) is not None]
    sums = _sums(parts)
    for _ in range(_ROUNDS):
        if max(sums) <= cap * (1 + _ALIKE / 4):
            break
        room = [any(rates[number - first] and sums[number] < cap for number in range(first, first + len(rates)))
                for first, rates in parts]  # fmt: skip
        movable = _sums([part for part, has_room in zip(parts, room, strict=True) if has_room])
        parts = [
            (first, _moved(rates, sums[first:], movable[first:], cap)) if has_room else (first, rates)
            for (first, rates), has_room in zip(parts, room, strict=True)
        ]
        sums = _sums(parts)
    return [min(value, cap) for value in sums]


def _sums(parts: Sequence[tuple[int, Sequence[float]]]) -> list[float]:
    sums = [0.0] * _BINS
    for first, rates in parts:
        for number, value in enumerate(rates, first):
            sums[number] += value
    return sums


def _even(flow: Flow, start: int, width: float) -> tuple[int, list[float]] | None:
    """The first bin that a write lies in, and its rate in each from there on; None if it lies in none."""
    began, ended = (flow.began - start) / width, (flow.ended - start) / width
    first, last = max(0, int(began)), min(_BINS, math.ceil(ended))
    if first >= last:
        return None
    height = flow.size / (flow.ended - flow.began)
    return first, [height * (min(ended, number + 1) - max(began, number)) for number in range(first, last)]


def _moved(rates: Sequence[float], sums: Sequence[float], movable: Sequence[float], cap: float) -> list[float]:
    """A write's rates, with its part of what is above the cap moved to where all together are below it."""
    cut = [
        value * max(0.0, 1 - (total - cap) / share) if total > cap and share else value
        for value, total, share in zip(rates, sums, movable, strict=False)
    ]
    room = [value if total < cap else 0.0 for value, total in zip(rates, sums, strict=False)]
    raised = (sum(rates) - sum(cut)) / sum(room)
    return [value + raised * other for value, other in zip(cut, room, strict=True)]


def _area(strip: Strip, highest: float) -> Markup:
    tops = [100 - 100 * value / highest for value in strip.rates]
    steps = " ".join(f"V{top:.1f}H{number + 1}" for number, top in enumerate(tops))
    return element(
        "svg",
        element("path", d=f"M0 100{steps}V100Z"),
        viewBox=f"0 0 {_BINS} 100",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{strip.nodes}: up to {rate(max(strip.rates))}",
    )
