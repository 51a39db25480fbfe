"""What became of a suite in Markdown, as the summary of a CI job shows it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from simulator.reports.from_python import as_text
from simulator.reports.suite_object import Reported
from simulator.writing import visible

_MARKS = {"passed": "✅", "failed": "❌", "error": "⚠️"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def markdown(reported: Sequence[Reported], seconds: float, seed: int, regressions: Path | None = None) -> str:
    """A heading that says it all, a table of the cases, and each failure with its lanes and how to replay it.

    ``regressions`` is where a trace is kept to be replayed first from then on.
    """
    lines = [
        f"## ckptrace: {counted(reported)}",
        "",
        "| | case | outcome | schedules | time |",
        "|---|---|---|---:|---:|",
        *map(_row, reported),
        "",
        f"{seconds:.1f} s, seed {seed}",
    ]
    for each in reported:
        if each.outcome.status != "passed":
            lines += ["", *_section(each, regressions)]
    return "\n".join(lines) + "\n"


def counted(reported: Sequence[Reported]) -> str:
    """``4 passed, 1 failed``: what there is none of is left out."""
    statuses = [each.outcome.status for each in reported]
    parts = [(statuses.count("passed"), "passed"), (statuses.count("failed"), "failed")]
    errors = statuses.count("error")
    parts.append((errors, "error" if errors == 1 else "errors"))
    return ", ".join(f"{count} {word}" for count, word in parts if count) or "nothing was run"


def _row(each: Reported) -> str:
    outcome, result = each.outcome, each.outcome.result
    schedules = "" if result is None else f"{result.schedules:,}"
    cells = (_MARKS[outcome.status], escaped(str(each.case.path)), escaped(outcome.said), schedules)
    return f"| {' | '.join(cells)} | {outcome.seconds:.1f} s |"


def _section(each: Reported, regressions: Path | None) -> list[str]:
    outcome, result = each.outcome, each.outcome.result
    lines = [f"### {escaped(str(each.case.path))}", "", escaped(outcome.said)]
    if result is None or result.failure is None:
        return lines
    if outcome.confirmation is not None:
        lines += ["", escaped(outcome.confirmation.text[:1].upper() + outcome.confirmation.text[1:]) + "."]
    lines += ["", *_fenced(as_text(result).rstrip(), "text")]
    if each.trace is not None:
        commands = [f"ckptrace replay {shlex.quote(str(each.trace))}"]
        if each.case.kind == "scenario" and regressions is not None:
            commands.append(f"cp {shlex.quote(str(each.trace))} {shlex.quote(str(regressions))}/  # replayed first")
        lines += ["", *_fenced("\n".join(commands), "sh")]
    return lines


def _fenced(text: str, language: str) -> list[str]:
    """A block of code, between fences longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", text, fence]


def code(text: str) -> str:
    """The text as code in a cell of a table: a bar would end the cell, a backtick the code (GFM 0.29, 4.10 and 6.3)."""
    shown = visible(" ".join(text.split())).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {shown} {fence}" if longest else f"{fence}{shown}{fence}"


def escaped(text: str) -> str:
    """One line of text in which nothing is taken for Markdown or HTML, in a cell of a table or elsewhere."""
    return _SPECIAL.sub(r"\\\1", visible(" ".join(text.split()))).replace("&", "&amp;")
