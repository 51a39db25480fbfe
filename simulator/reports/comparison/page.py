"""The comparison as one page that works offline: the answer, the table, the pictures, and each strategy by itself."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from simulator.campaigns.comparison.outcome import Compared, Comparison, Finding, Measured
from simulator.campaigns.comparison.situations import Situation
from simulator.experiment import costs_of
from simulator.invariants.violation import NAMES, meaning_of
from simulator.reports.comparison.points import stall_and_safety
from simulator.reports.comparison.wording import (
    BOUND,
    MOST_NAMED,
    SAID,
    answer,
    figures,
    goodput_said,
    is_bound,
    job_said,
    more_said,
    notes,
    shape_said,
    stall_said,
    title,
    verdict_said,
    violated_in,
)
from simulator.reports.comparison.writes import node_writes
from simulator.reports.html.failure import failure_section
from simulator.reports.html.page import Content, Markup, element, page
from simulator.trace import software_versions

_STYLES = Path(__file__).with_name("comparison.css")
_ROWS = 40
_SIGNS = {"certified": "✓", "clean": "✓", "violated": "✗", "incomplete": "…", "not judged": "-"}


def comparison_page(comparison: Comparison, command: str = "ckptrace compare") -> str:
    """The whole document. ``command`` is what has made it."""
    request, ranked = comparison.request, comparison.ranked()
    return page(
        f"ckptrace: {title(request)}",
        element("header", element("h1", title(request)), element("p", job_said(request))),
        element("p", " ".join(answer(comparison)), class_="answer"),
        _overview(ranked, request.judged_in()),
        element("p", BOUND[0].upper() + BOUND[1:] + ".", class_="quiet") if any(map(is_bound, ranked)) else None,
        element("h2", "Stall and safety"),
        stall_and_safety(ranked, len(request.situations) + 1),
        element("h2", "Each strategy"),
        [_strategy(each, comparison) for each in ranked],
        element("h2", "How it was judged"),
        _situations(request.judged_in()),
        [[element("h3", heading), element("p", text)] for heading, text in notes(comparison)],
        _costs(comparison),
        _footer(command),
        styles=_STYLES.read_text(encoding="utf-8"),
    )


def _overview(ranked: Sequence[Compared], situations: Sequence[Situation]) -> Markup:
    headings = ["Strategy", *(situation.title for situation in situations), "Real shape"]
    head = element(
        "tr",
        [element("th", said, scope="col") for said in headings],
        [element("th", said, scope="col", class_="number") for said in ("Stall", "Goodput")],
    )
    return element(
        "table",
        element("thead", head),
        element("tbody", [_row(each, situations) for each in ranked]),
        class_="overview",
    )


def _row(each: Compared, situations: Sequence[Situation]) -> Markup:
    measured = each.measured
    cells = [
        element("td", _verdict(each, situation), data_label=situation.title, class_="verdicts")
        for situation in situations
    ]
    shape = element("span", _sign("violated" if measured.violations else "clean"), shape_said(measured),
                    class_="verdict" if measured.violations else "fine")  # fmt: skip
    return element(
        "tr",
        element("th", element("a", each.candidate.title, href=f"#{_anchor(each)}"), scope="row", class_="name"),
        cells,
        element("td", shape, data_label="Real shape", class_="verdicts"),
        element("td", stall_said(measured), data_label="Stall", class_="number"),
        element("td", goodput_said(each), data_label="Goodput", class_="number"),
    )


def _verdict(each: Compared, situation: Situation) -> Content:
    violated = violated_in(each, situation)
    if not violated:
        verdict = each.verdict(situation.name)
        kind = "fine" if verdict in ("certified", "clean") else "quiet"
        return element("span", _sign(verdict), verdict_said(each, situation), class_=kind)
    links = [
        [", " if number else "", element("a", cell.invariant, href=f"#{_anchor(each, cell.finding)}", class_="verdict")]
        for number, cell in enumerate(violated[:MOST_NAMED])
    ]
    return element("span", _sign("violated"), links, more_said(violated), class_="verdict")


def _sign(verdict: str) -> Markup:
    return element("span", _SIGNS[verdict], " ", aria_hidden="true")


def _strategy(each: Compared, comparison: Comparison) -> Markup:
    measured, situations = each.measured, comparison.request.judged_in()
    model = costs_of(comparison.request.costs)
    said = "nothing violated" if not each.violated else f"violated in {each.violated} of {len(situations) + 1}"
    return element(
        "details",
        element(
            "summary",
            element("span", each.candidate.title, class_="path"),
            element("span", f" {said}, {stall_said(measured)}", class_="quiet"),
        ),
        element("p", element("span", id=_anchor(each)), _shape_sentence(measured)),
        [element("p", warning + ".", class_="message") for warning in measured.run.warnings],
        _matrix(each, situations),
        _figures(each),
        node_writes(measured.run, math.inf if model is None else model.write_cap),
        [_finding(each, number, finding) for number, finding in enumerate(each.findings)],
        class_="finding strategy",
    )


def _shape_sentence(measured: Measured) -> str:
    run = measured.run
    violation = run.violation
    first = "no rank raised" if violation is None else f"first {violation.message}"
    return f"At the real shape, in the order of the clock: {first}; in the end {run.left}."


def _matrix(each: Compared, situations: Sequence[Situation]) -> Markup:
    """Every invariant in every situation."""
    head = element(
        "tr",
        element("th", "Invariant", scope="col"),
        [element("th", situation.title, scope="col") for situation in situations],
    )
    rows = [
        element(
            "tr",
            element("th", invariant, scope="row", class_="name", title=meaning_of(invariant)),
            [element("td", _cell(each, situation, invariant)) for situation in situations],
        )
        for invariant in NAMES
    ]
    coverage = [
        element("li", element("b", situation.title), ": ", _covered(each, situation)) for situation in situations
    ]
    return element(
        "div",
        element("div", element("table", element("thead", head), element("tbody", rows), class_="matrix"),
                class_="scroll"),
        element("ul", coverage, class_="coverage"),
    )  # fmt: skip


def _cell(each: Compared, situation: Situation, invariant: str) -> Content:
    cell = each.cell(situation.name, invariant)
    if cell is None:
        return element("span", "does not apply", class_="quiet")
    if cell.finding is not None:
        link = element("a", "violated", href=f"#{_anchor(each, cell.finding)}", class_="verdict")
        return element("span", _sign("violated"), link, class_="verdict")
    kind = "fine" if cell.verdict in ("certified", "clean") else "quiet"
    return element("span", _sign(cell.verdict), SAID[cell.verdict], class_=kind, title=cell.said)


def _covered(each: Compared, situation: Situation) -> str:
    """What the verdict of a situation rests on: of a violation, when it was found, and what the other verdicts say."""
    cells = [cell for cell in each.cells if cell.situation == situation.name]
    violated = [cell for cell in cells if cell.verdict == "violated"]
    others = [cell.said for cell in cells if cell.verdict != "violated"]
    if not violated:
        return cells[0].said
    found = f"violated; {violated[0].said}"
    return f"{found}. For the others: {others[0]}" if others else found


def _figures(each: Compared) -> Markup:
    return element(
        "dl",
        [
            [
                element("dt", figure.name),
                element("dd", figure.value, [" ", element("small", figure.note)] if figure.note else None),
            ]
            for figure in figures(each)
        ],
        class_="figures",
    )


def _finding(each: Compared, number: int, finding: Finding) -> Markup:
    failure = finding.failure
    where = (
        [element("code", f"ckptrace replay {shlex.quote(str(finding.path))}", class_="command")]
        if finding.path is not None
        else None
    )
    confirmed = finding.confirmation.text + ". " if finding.confirmation is not None else ""
    return element(
        "details",
        element("summary", element("span", failure.invariant, class_="verdict"), f": {meaning_of(failure.invariant)}"),
        element("p", f"Found in the situation {finding.situation}. {confirmed.capitalize()}", where,
                class_="quiet", id=_anchor(each, number)),
        failure_section(failure.trace, most=_ROWS),
        class_="finding",
    )  # fmt: skip


def _situations(situations: Sequence[Situation]) -> Markup:
    return element(
        "dl",
        [[element("dt", each.title), element("dd", each.meaning.capitalize() + ".")] for each in situations],
        class_="figures",
    )


def _costs(comparison: Comparison) -> Content:
    """Every figure of the cost profile, so that nobody has to ask which were used."""
    model = costs_of(comparison.request.costs)
    if model is None:
        return None
    rows = [
        [element("dt", element("code", key)), element("dd", f"{getattr(model, key):g}")]
        for key in model.__struct_fields__
    ]
    return element(
        "details",
        element("summary", "The cost profile: latencies and the time-out in seconds, rates in GB/s"),
        element("dl", rows, class_="figures"),
        class_="finding",
    )


def _anchor(each: Compared, finding: int | None = None) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", each.candidate.title.lower()).strip("-")
    return name if finding is None else f"{name}-finding-{finding}"


def _footer(command: str) -> Markup:
    versions = ", ".join(f"{name} {version}" for name, version in software_versions().items())
    rows: list[tuple[str, Content]] = [("made by", element("code", command, class_="command")), ("with", versions)]
    return element("footer", element("dl", [[element("dt", key), element("dd", value)] for key, value in rows]))
