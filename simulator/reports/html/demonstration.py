"""The demonstration as one page: the incident, every strategy, the incident at its own size."""

from __future__ import annotations

import re
from collections.abc import Sequence

from simulator.campaigns.demonstrating.demonstration import Demonstration, Outcome, Surveyed, Tried, searches
from simulator.campaigns.scale.at_scale import COSTS
from simulator.campaigns.scale.scale_result import ScaleResult
from simulator.reports.account import Account, accounts, gigabytes
from simulator.reports.demonstration import on_disk, what_happened
from simulator.reports.html.failure import failure_section
from simulator.reports.html.page import Content, Markup, element, page
from simulator.reports.setting import setting, subject
from simulator.trace import software_versions

_ROWS = 40

_HOW_SURVEYED = (
    "Each strategy twice: once so that nobody dies, and once so that the job may die at every instant and one rank is "
    "killed, with a restart on what is left. A cell names the invariant that was violated, and leads to the schedule. "
    "Clean means that none of the schedules tried violated any; it proves nothing beyond them."
)
_HOW_AT_SCALE = (
    "Qwen2.5-VL-72B-Instruct under ZeRO-3, 32 ranks on 4 nodes, one save: names, writers and sizes of files as there, "
    f"each operation charged by the cost profile {COSTS}. One run, in the order in which operations would end on that "
    "cluster; the seconds are virtual."
)


def demonstration_page(shown: Demonstration) -> str:
    """The whole document."""
    return page(
        "ckptrace: the incident of LLaMA-Factory #6882",
        element(
            "header",
            element("h1", "How eight ranks lose a checkpoint"),
            element(
                "p",
                "The incident of hiyouga/LLaMA-Factory #6882, found on a model of a shared file system, "
                "replayed with real processes on a real disk, and compared with every other strategy.",
            ),
        ),
        _incident(shown.outcomes),
        _survey(shown.surveyed),
        _at_scale(shown.at_scale),
        _footer(shown),
    )


def _incident(outcomes: Sequence[Outcome]) -> Content:
    if not outcomes:
        return None
    scenario = outcomes[0].failure.trace.scenario
    return [
        element("h2", "The incident"),
        element("p", f"{subject(scenario)} on {setting(scenario)}. One race, three outcomes."),
        [
            [
                element("h3", f"{number}. {outcome.title}"),
                element("p", f"Schedule {outcome.failure.schedule:,}; {outcome.confirmation.text}.", class_="quiet"),
                failure_section(outcome.failure.trace, most=_ROWS),
            ]
            for number, outcome in enumerate(outcomes, 1)
        ],
    ]


def _survey(surveyed: Sequence[Surveyed]) -> Content:
    if not surveyed:
        return None
    head = element(
        "tr",
        element("th", "Strategy"),
        [
            [element("th", said.capitalize()), element("th", "Tried", class_="number")]
            for said, _ in searches(surveyed[0])
        ],
        element("th", "Confirmed on"),
    )
    return [
        element("h2", "Every strategy"),
        element("p", f"Searched on {setting(surveyed[0].undisturbed.result.scenario)}. {_HOW_SURVEYED}"),
        element(
            "div", element("table", element("thead", head), element("tbody", map(_row, surveyed))), class_="scroll"
        ),
        [_details(each) for each in surveyed],
    ]


def _row(each: Surveyed) -> Markup:
    cells = [
        [element("td", _verdict(each, when, tried)), element("td", f"{tried.result.schedules:,}", class_="number")]
        for when, tried in searches(each)
    ]
    disk = on_disk((each.undisturbed.confirmation, each.dying.confirmation))
    return element("tr", element("td", each.candidate.title, class_="name"), cells, element("td", disk))


def _verdict(each: Surveyed, when: str, tried: Tried) -> Content:
    failure = tried.result.failure
    if failure is None:
        return element("span", tried.result.verdict, class_="fine" if tried.result.verdict == "clean" else None)
    return element("a", failure.invariant, href=f"#{_anchor(each, when)}", class_="verdict")


def _details(each: Surveyed) -> Content:
    return [_finding(each, when, tried) for when, tried in searches(each) if tried.result.failure is not None]


def _finding(each: Surveyed, when: str, tried: Tried) -> Markup:
    """A failure that opens with a click, or with the link in the table: the anchor lies inside for that."""
    failure = tried.result.failure
    assert failure is not None
    confirmed = f"; {tried.confirmation.text}" if tried.confirmation is not None else ""
    name = element("span", each.candidate.title, class_="path")
    return element(
        "details",
        element("summary", name, f", {when}: ", element("span", failure.invariant, class_="verdict")),
        element("p", f"Schedule {failure.schedule:,}{confirmed}.", class_="quiet", id=_anchor(each, when)),
        failure_section(failure.trace, most=_ROWS),
        class_="finding",
    )


def _anchor(each: Surveyed, when: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", f"{each.candidate.title} {when}".lower())


def _at_scale(runs: Sequence[ScaleResult]) -> Content:
    if not runs:
        return None
    longest = max((one.working + one.waited for run in runs for one in accounts(run.usage)), default=1.0)
    return [
        element("h2", "At the size of 72B"),
        element("p", _HOW_AT_SCALE),
        [_run_at_scale(run, longest) for run in runs],
    ]


def _run_at_scale(run: ScaleResult, longest: float) -> Content:
    head = element(
        "tr",
        element("th", "Ranks"),
        [element("th", said, class_="number") for said in ("Written", "Working", "Waiting", "Longest wait")],
        element("th", "Working, then waiting", class_="bars"),
    )
    return [
        element("h3", run.strategy),
        element("p", what_happened(run)),
        element(
            "div",
            element(
                "table",
                element("thead", head),
                element("tbody", [_account(one, longest) for one in accounts(run.usage)]),
            ),
            class_="scroll",
        ),
        failure_section(run.trace, most=_ROWS) if run.trace is not None else None,
    ]


def _account(one: Account, longest: float) -> Markup:
    bars = element(
        "span",
        element("i", class_="working", style=f"width: {100 * one.working / longest:.2f}%"),
        element("i", class_="waiting", style=f"width: {100 * one.waited / longest:.2f}%"),
        class_="bar",
        aria_hidden="true",
    )
    figures = [
        gigabytes(one.bytes_written),
        f"{one.working:,.1f} s",
        f"{one.waited:,.1f} s",
        f"{one.longest_wait:,.1f} s",
    ]
    return element(
        "tr",
        element("td", one.ranks),
        [element("td", said, class_="number") for said in figures],
        element("td", bars, class_="bars"),
    )


def _footer(shown: Demonstration) -> Markup:
    versions = ", ".join(f"{name} {version}" for name, version in software_versions().items())
    rows = [("made by", element("code", f"ckptrace demo --seed {shown.seed}", class_="command")), ("with", versions)]
    return element("footer", element("dl", [[element("dt", key), element("dd", value)] for key, value in rows]))
