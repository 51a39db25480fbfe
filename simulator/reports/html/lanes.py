"""Lanes in HTML: a list with one item per operation, and beside each the lanes as a row of cells."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.narration import Phrase, source_line
from simulator.reports.folding import fold_without_lane, folded
from simulator.reports.html.page import Content, Markup, element
from simulator.reports.joining import joined
from simulator.reports.lanes import ranks_said, shown_ranks
from simulator.reports.reason import Reason
from simulator.reports.timeline import Ended, Fold, Heading, Meeting, Operation, Row, Strike, node_of, ranks_of, rows_of
from simulator.trace import Trace

MOST_ROWS = 60
"""How many rows stand open; what is folded opens with a click."""


def lanes(trace: Trace, reason: Reason, *, most: int | None = MOST_ROWS) -> Markup:
    """The schedule of a trace, with a head that names the lanes and a line on what the signs mean.

    Longer ones than ``most`` rows are folded, unless that is None: then every operation has a row of its own.
    """
    rows = rows_of(trace, reason.marks)
    if most is not None:
        rows = folded(joined(rows), most)
    ranks = shown_ranks(rows, ranks_of(trace))
    if most is not None:
        rows = fold_without_lane(rows, ranks)
    columns = {rank: column for column, rank in enumerate(ranks)}
    items = [_item(row, columns) for row in rows]
    hidden = len(ranks_of(trace)) - len(ranks)
    return element(
        "div",
        _head(trace, columns),
        element("ol", items, class_="schedule"),
        _legend(rows, hidden, folded=most is not None),
        class_="lanes",
        style=f"--lanes: {len(ranks)}",
    )


def _head(trace: Trace, columns: dict[int, int]) -> Markup:
    cells = [element("i", str(rank), class_="name") for rank in columns]
    nodes: dict[int, list[int]] = {}
    for rank in columns:
        nodes.setdefault(node_of(trace, rank), []).append(rank)
    said = ", ".join(f"node {node}: {ranks_said(group, ' to ')}" for node, group in nodes.items())
    return element(
        "div",
        _mark(""),
        _step("step"),
        element("span", cells, class_="graph"),
        element("span", said, class_="what"),
        class_="row head",
    )


def _item(row: Row, columns: dict[int, int]) -> Markup:
    if isinstance(row, Fold):
        return _fold(row, columns)
    if isinstance(row, Heading):
        return element("li", row.said, class_="heading")
    rank = str(row.rank) if isinstance(row, Operation) else None
    return element("li", _cells(row, columns), class_=f"row {_kind(row)}", data_rank=rank)


def _fold(row: Fold, columns: dict[int, int]) -> Markup:
    summary = element(
        "summary",
        _mark(""),
        _step("⋮"),
        _graph(row, columns),
        element("span", row.said, class_="what"),
        class_="row fold",
    )
    inside = element("ol", [_item(inner, columns) for inner in row.rows])
    return element("li", element("details", summary, inside))


def _kind(row: Row) -> str:
    if isinstance(row, Operation):
        names = [
            "operation",
            "chosen" if row.switch == "chosen" else "",
            "marked" if row.mark else "",
            "failed" if row.failed else "",
        ]
        return " ".join(name for name in names if name)
    return "meeting" if isinstance(row, Meeting) else "bad"


def _cells(row: Row, columns: dict[int, int]) -> list[Content]:
    if isinstance(row, Operation):
        site = element("span", source_line(row.site), class_="site", title=row.site) if row.site else None
        what = _phrase(row, has_lane=row.rank in columns)
        return [_mark(row.mark), _step(str(row.step)), _graph(row, columns), what, site]
    if isinstance(row, Meeting):
        said = f"{row.said} of {len(row.ranks)} ranks"
        return [_mark(""), _step(str(row.step)), _graph(row, columns), element("span", said, class_="what")]
    assert isinstance(row, Strike | Ended)
    if isinstance(row, Ended):
        place = element("span", source_line(row.site), class_="site", title=row.site) if row.site else None
        said = element("span", f"rank {row.rank} {row.said}", class_="what")
        return [_mark(""), _step(""), _graph(row, columns), said, place]
    return [_mark(""), _step(""), _graph(row, columns), element("span", row.said, class_="what")]


def _phrase(row: Operation, *, has_lane: bool) -> Markup:
    """The operation. Its rank is for those who hear the page, where the lane shows it."""
    phrase = row.phrase
    parts: list[Content] = [element("b", phrase.call), " ", _paths(phrase)]
    if phrase.detail:
        parts.append([" ", element("small", phrase.detail)])
    if phrase.outcome:
        parts.append([" ", element("em" if phrase.refused else "small", phrase.outcome)])
    rank = element("span", f"rank {row.rank}: ", class_="aloud" if has_lane else None)
    return element("span", rank, parts, class_="what")


def _paths(phrase: Phrase) -> Content:
    return [
        [" → " if number else "", element("span", _breakable(path), class_="path")]
        for number, path in enumerate(phrase.paths)
    ]


def _breakable(path: str) -> Content:
    """A path that may be broken after its slashes."""
    return [[part, Markup("/<wbr>")] for part in path.split("/")[:-1]] + [path.rpartition("/")[2]]


def _mark(mark: str) -> Markup:
    return element("span", mark, class_="mark")


def _step(step: str) -> Markup:
    return element("span", step, class_="step")


def _graph(row: Row, columns: dict[int, int]) -> Markup:
    """The lanes beside a row. A screen reader hears the rank in the text instead."""
    classes = {rank: ["on"] if not isinstance(row, Heading) and rank in row.alive else [] for rank in columns}
    text: dict[int, str] = {}
    if isinstance(row, Operation):
        if row.rank in classes:
            classes[row.rank].append("at")
            text[row.rank] = str(row.rank)
            if row.switch == "chosen" and row.previous in columns and row.previous != row.rank:
                _connect(classes, columns, row.previous, row.rank)
    elif isinstance(row, Meeting):
        met = [columns[rank] for rank in row.ranks if rank in columns]
        for rank, column in columns.items():
            if met and min(met) <= column <= max(met):
                first, last = column == min(met), column == max(met)
                classes[rank] += ["meets", *(["first"] if first else []), *(["last"] if last else [])]
    elif isinstance(row, Fold):
        for rank in row.ranks & classes.keys():
            classes[rank].append("folded")
    else:
        died: Sequence[int] = row.ranks if isinstance(row, Strike) else (row.rank,) if isinstance(row, Ended) else ()
        for rank in died:
            if rank in classes:
                classes[rank].append("dead")
                text[rank] = "✗"
    cells = [element("i", text.get(rank, ""), class_=" ".join(names) or None) for rank, names in classes.items()]
    return element("span", cells, class_="graph", aria_hidden="true")


def _connect(classes: dict[int, list[str]], columns: dict[int, int], there: int, here: int) -> None:
    low, high = sorted((columns[there], columns[here]))
    for rank, column in columns.items():
        if low <= column <= high:
            classes[rank] += ["via", *(["first"] if column == low else []), *(["last"] if column == high else [])]


def _legend(rows: Sequence[Row], hidden: int, *, folded: bool) -> Markup | None:
    notes = []
    switches = sum(1 for row in rows if isinstance(row, Operation) and row.switch == "chosen")
    if switches:
        notes.append(f"A line between two lanes is a context switch that the schedule chose: {switches} here.")
    left_out = sum(row.count for row in rows if isinstance(row, Fold))
    if left_out:
        notes.append(f"{left_out:,} operations are folded.")
    if hidden > 0:
        notes.append(f"{hidden} ranks have no lane" + (": what they did is folded." if folded else "."))
    return element("p", " ".join(notes), class_="legend") if notes else None
