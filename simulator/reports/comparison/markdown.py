"""The comparison as Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simulator.campaigns.comparison.outcome import Compared, Comparison, Finding
from simulator.invariants.violation import NAMES
from simulator.reports.comparison.wording import (
    answer,
    figures,
    goodput_said,
    job_said,
    notes,
    shape_said,
    stall_said,
    title,
    verdict_said,
)
from simulator.reports.markdown import code, escaped


def comparison_markdown(comparison: Comparison) -> str:
    """The whole document."""
    request, ranked = comparison.request, comparison.ranked()
    situations = request.judged_in()
    head = ["strategy", *(situation.title.lower() for situation in situations), "real shape", "stall", "goodput"]
    rows = [
        [
            code(each.candidate.title),
            *(_verdict(each, verdict_said(each, situation)) for situation in situations),
            _verdict(each, shape_said(each.measured)),
            stall_said(each.measured),
            goodput_said(each),
        ]
        for each in ranked
    ]
    parts = [
        f"## {escaped(title(request))}",
        escaped(job_said(request)),
        " ".join(map(escaped, answer(comparison))),
        _table(head, rows),
        "### What was found",
        "\n".join(_findings(ranked)) or "Nothing.",
        "### At the real shape",
        _figures(ranked),
        "### How it was judged",
        "\n".join(f"- **{heading}.** {escaped(text)}" for heading, text in notes(comparison)),
        "\n".join(f"- **{situation.title}.** {escaped(situation.meaning.capitalize())}." for situation in situations),
    ]
    return "\n\n".join(parts) + "\n"


def _verdict(each: Compared, said: str) -> str:
    """Violated invariants in bold: they are names, the other words are not."""
    return f"**{said}**" if any(name in said for name in NAMES) else said


def _findings(ranked: Sequence[Compared]) -> Iterable[str]:
    for each in ranked:
        for finding in each.findings:
            yield f"- {code(each.candidate.title)}, {finding.situation}: **{finding.failure.invariant}**: " + _found(
                finding
            )


def _found(finding: Finding) -> str:
    said = escaped(finding.failure.error)
    if finding.confirmation is not None:
        said += f" ({escaped(finding.confirmation.text)})"
    return said + (f"; {code(f'ckptrace replay {finding.path}')}" if finding.path is not None else "")


def _figures(ranked: Sequence[Compared]) -> str:
    """A row for each figure, a column for each strategy, those that have the same figures together."""
    columns: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for each in ranked:
        found = tuple((figure.name, figure.value) for figure in figures(each))
        columns.setdefault(found, []).append(code(each.candidate.title))
    names = list(dict.fromkeys(name for found in columns for name, _ in found))
    rows = [[name, *(dict(found).get(name, "-") for found in columns)] for name in names]
    return _table(["", *(", ".join(titles) for titles in columns.values())], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
