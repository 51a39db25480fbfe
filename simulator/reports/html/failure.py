"""One failure as a page, and as the section of a longer one."""

from __future__ import annotations

import shlex
from pathlib import Path

from simulator.campaigns.result import Failure, Result
from simulator.narration import source_line
from simulator.reports.html.lanes import MOST_ROWS, lanes
from simulator.reports.html.page import Content, Markup, element, page
from simulator.reports.printed import printed_by
from simulator.reports.reason import Reason, reason_of
from simulator.reports.setting import setting, subject
from simulator.trace import Trace


def failure_page(trace: Trace, path: Path | None = None, *, most: int | None = MOST_ROWS) -> str:
    """A recorded run as a whole document. ``path`` is the trace file, for the command that replays it.

    Longer runs than ``most`` rows are folded, unless that is None.
    """
    reason = reason_of(trace)
    verdict = reason.invariant or "no violation"
    return page(
        f"{verdict}: {subject(trace.scenario)}",
        element(
            "header",
            element(
                "h1",
                element("span", verdict, class_="verdict" if reason.invariant else "fine"),
                f": {reason.meaning}" if reason.meaning else None,
            ),
            element("p", f"{subject(trace.scenario)} on {setting(trace.scenario)}"),
        ),
        failure_section(trace, reason, most=most),
        _provenance(trace, path),
    )


def result_page(result: Result) -> str:
    """All failures of a search as a whole document, the gravest open."""
    first, *others = result.failures
    trace, reason = first.trace, reason_of(first.trace)
    return page(
        f"{reason.invariant}: {subject(trace.scenario)}",
        element(
            "header",
            element("h1", element("span", reason.invariant, class_="verdict"), f": {reason.meaning}"),
            element("p", f"{subject(trace.scenario)} on {setting(trace.scenario)}"),
        ),
        failure_section(trace, reason),
        element("h2", "Also found") if others else None,
        [_folded(failure) for failure in others],
        element("p", result.hidden[0].upper() + result.hidden[1:] + ".", class_="quiet") if result.hidden else None,
        _provenance(trace, None),
    )


def _folded(failure: Failure) -> Markup:
    reason = reason_of(failure.trace)
    summary = element("summary", element("span", reason.invariant, class_="verdict"), f": {reason.meaning}")
    return element("details", summary, failure_section(failure.trace, reason), class_="finding")


def failure_section(trace: Trace, reason: Reason | None = None, *, most: int | None = MOST_ROWS) -> Markup:
    """Message, deciding operations, and lanes."""
    reason = reason or reason_of(trace)
    return element(
        "section",
        element("p", reason.message, _place(reason), class_="message") if reason.message else None,
        _pair(reason),
        [element("p", sentence) for sentence in reason.sentences],
        lanes(trace, reason, most=most),
        [
            [element("p", f"Rank {rank} printed, in the end:"), element("pre", "\n".join(lines), class_="printed")]
            for rank, lines in printed_by(trace).items()
        ],
        class_="failure",
    )


def _place(reason: Reason) -> Content:
    if reason.site is None:
        return None
    return [", at ", element("span", source_line(reason.site), title=reason.site)]


def _pair(reason: Reason) -> Content:
    if not reason.cited:
        return None
    items: list[Content] = []
    for one in reason.cited:
        outcome: Content = [" ", element("em" if one.refused else "small", one.outcome)] if one.outcome else None
        place: Content = element("span", one.site, class_="site") if one.site else None
        items.append(
            [
                element("dt", one.letter),
                element("dd", f"rank {one.rank}: ", element("code", one.said), outcome, place),
            ]
        )
    return element("dl", items, class_="pair")


def _provenance(trace: Trace, path: Path | None) -> Markup:
    versions = ", ".join(f"{name} {version}" for name, version in trace.versions.items())
    rows: list[tuple[str, Content]] = []
    if path is not None:
        rows.append(("replay", element("code", f"ckptrace replay {shlex.quote(str(path))}", class_="command")))
    rows += [("digest", element("code", trace.digest)), ("recorded with", versions)]
    return element("footer", element("dl", [[element("dt", key), element("dd", value)] for key, value in rows]))
