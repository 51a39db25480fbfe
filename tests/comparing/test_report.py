"""The comparison in words, as a page, as Markdown, as an object, and on a terminal."""

from __future__ import annotations

import io
import json
import re

import msgspec
import pytest
from hypothesis import given, strategies as st

from simulator.campaigns.comparison import Cell, Comparison, Economy
from simulator.campaigns.comparison.outcome import Compared
from simulator.campaigns.scale.scale_result import SaveTime
from simulator.costs.usage import Flow
from simulator.reports.comparison.markdown import comparison_markdown
from simulator.reports.comparison.page import comparison_page
from simulator.reports.comparison.plain import comparison_object
from simulator.reports.comparison.points import points_of
from simulator.reports.comparison.quantities import duration, share, size
from simulator.reports.comparison.terminal import print_comparison
from simulator.reports.comparison.wording import answer, errors_said, figures, goodput_said, verdict_said
from simulator.reports.comparison.writes import strips_of
from simulator.reports.terminal import console_for
from tests.comparing.jobs import request
from tests.reports.test_html import checked

SECOND = 10**9


def test_the_answer_names_what_is_safe_and_what_it_costs(comparison: Comparison) -> None:
    said = " ".join(answer(comparison))
    assert said.startswith("Of 3 strategies, 1 violates nothing that was judged: staged-barrier.")
    assert re.search(r"With staged-barrier a save keeps training waiting for [\d.]+ s\.", said)
    assert "% of the time is training that counts" in said


def test_where_nothing_is_safe_the_answer_says_so(comparison: Comparison) -> None:
    racy = Comparison(comparison.request, [each for each in comparison.compared if each.violated])
    said = " ".join(answer(racy))
    assert said.startswith("Each of the 2 strategies violates something.")
    assert "transformers-5.23 does so in the fewest situations: 2." in said


def test_what_was_not_judged_is_said(comparison: Comparison, compared: list[Compared]) -> None:
    cells = [Cell("full-disk", cell.invariant, "not judged", "not judged: no such thing") for cell in compared[1].cells]
    other = [cell for cell in compared[1].cells if cell.situation != "full-disk"]
    blind = msgspec.structs.replace(compared[1], cells=[*other, *cells])
    said = " ".join(answer(Comparison(comparison.request, [blind])))
    assert "Not judged in this version or on this file system: the disk is full." in said
    (_, _, full) = comparison.request.judged_in()
    assert verdict_said(blind, full) == "not judged"


def test_the_gravest_violations_are_named_first(compared: list[Compared]) -> None:
    (undisturbed, _, _) = request().judged_in()
    assert verdict_said(compared[2], undisturbed) == "complete, no-error +1"


def test_the_figures_of_a_strategy_are_those_of_its_run(compared: list[Compared]) -> None:
    remedy = {figure.name: figure for figure in figures(compared[1])}
    assert remedy["written per save"].value == "52.6 GB"
    assert remedy["peak storage"].value == "105.1 GB"
    assert remedy["host memory on node 0"].value == "7.5 GB"
    assert remedy["until it is durable"].note == "every file is synced before save() returns"
    assert remedy["without a usable checkpoint"].value == "0 s"
    trainer = {figure.name: figure for figure in figures(compared[0])}
    assert trainer["until it is durable"].value == "unknown"
    assert "one failure in " in trainer["without a usable checkpoint"].note


def test_a_goodput_of_what_is_violated_is_a_bound(compared: list[Compared]) -> None:
    violated, safe = compared[0], next(each for each in compared if not each.violated)
    assert violated.violated
    assert goodput_said(violated).startswith("at most ")
    assert "at most" not in goodput_said(safe)
    [note] = [figure.note for figure in figures(violated) if figure.name == "expected goodput"]
    assert "what it loses then is not counted" in note


def test_the_page_is_whole_and_leads_from_each_verdict_to_its_schedule(comparison: Comparison) -> None:
    page = checked(comparison_page(comparison, "ckptrace compare --nodes 2"))
    assert "#transformers-5-23-finding-0" in page.links
    assert "ckptrace compare --nodes 2" in page.text
    for part in ("How to save Qwen2.5-VL-3B-Instruct on 2 nodes", "Daly", "CACM 17(9), 1974", "collective_timeout"):
        assert part in page.text
    for each in comparison.compared:
        for finding in each.findings:
            assert finding.failure.error in page.text.replace("\u200b", "")


def test_the_markdown_has_a_row_for_each_strategy_and_names_each_trace(comparison: Comparison) -> None:
    comparison.compared[0].findings[0].path = "out/trace.json"
    text = comparison_markdown(comparison)
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows[:3]] == ["staged-barrier", "transformers-5.23", "transformers-4.36.0"]
    widths = {line.count(" | ") for line in text.split("### ")[0].splitlines() if line.startswith("|")}
    assert len(widths) == 1
    assert "`ckptrace replay out/trace.json`" in text
    assert "| stall per save |" in text


def test_the_object_holds_every_verdict_and_figure(comparison: Comparison) -> None:
    table = json.loads(msgspec.json.encode(comparison_object(comparison)))
    assert [each["strategy"] for each in table["strategies"]] == [
        "staged-barrier", "transformers-5.23", "transformers-4.36.0",
    ]  # fmt: skip
    first = table["strategies"][0]
    assert first["verdicts"]["job-death"] == "certified"
    assert first["real_shape"]["economy"]["goodput"] > 0.98
    assert len(first["real_shape"]["ranks"]) == 4
    assert len(first["cells"]) == 8 + 8 + 5
    assert table["strategies"][1]["findings"][0]["digest"]
    assert table["formulas"]["sources"]


@pytest.mark.parametrize("width", [80, 140])
def test_the_terminal_shows_every_strategy(comparison: Comparison, width: int) -> None:
    file = io.StringIO()
    print_comparison(console_for(file, width=width), comparison)
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert re.search(r"staged-barrier +\+\+ +\+\+ +\+\+ +\+ ", file.getvalue())
    assert "transformers-5.23: complete, content" in file.getvalue()
    assert "calm = undisturbed  job = job-death  disk = full-disk" in file.getvalue()


def test_the_terminal_tells_an_error_for_each_situation_that_is_violated(comparison: Comparison) -> None:
    file = io.StringIO()
    print_comparison(console_for(file, width=160), comparison)
    for each in comparison.compared:
        for situation in comparison.request.judged_in():
            told = [error for short, error in errors_said(each, comparison.request.judged_in())
                    if short == situation.short]  # fmt: skip
            assert len(told) == (each.verdict(situation.name) == "violated")
            assert all(f"    {situation.short:<5} {error[:60]}" in file.getvalue() for error in told)


def test_strategies_that_coincide_are_one_point(compared: list[Compared]) -> None:
    twice = [compared[1], msgspec.structs.replace(compared[1]), compared[2]]
    first, last = points_of(twice)
    assert (first.violated, len(first.names)) == (0, 2)
    assert last.stall is None


FLOWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 99), st.integers(1, 50), st.integers(1, 40)), min_size=1, max_size=8
)


@given(FLOWS)
def test_the_curves_hold_what_the_nodes_wrote(drawn: list[tuple[int, int, int, int]]) -> None:
    flows = [
        Flow(node, True, start * SECOND, (start + length) * SECOND, height * length * SECOND // 10)
        for node, start, length, height in drawn
    ]
    for strip in strips_of(flows, 0, SaveTime(1, 0.0, 150.0), 3):
        written = sum(flow.size for flow in flows if flow.node == strip.first)
        held = sum(strip.rates) * 150 / len(strip.rates) * SECOND
        assert held == pytest.approx(written, rel=0.05, abs=0.03 * SECOND * 150)


def test_a_curve_stays_below_what_the_node_can_write_and_keeps_its_bytes() -> None:
    """Four short writes at full speed beside a long one that counts as even: it has to give way."""
    long = Flow(0, True, 0, 100 * SECOND, 50 * SECOND)
    short = [Flow(0, True, 0, 20 * SECOND, 5 * SECOND) for _ in range(4)]
    (strip,) = strips_of([long, *short], 0, SaveTime(1, 0.0, 100.0), 1, cap=1.0)
    assert max(strip.rates) <= 1.0
    assert sum(strip.rates) * 100 / len(strip.rates) == pytest.approx(70, rel=0.02)


def test_nodes_that_write_alike_are_one_strip() -> None:
    flows = [Flow(node, True, 0, 10 * SECOND, (9 if node else 4) * SECOND) for node in range(4)]
    strips = strips_of(flows, 0, SaveTime(1, 0.0, 10.0), 4)
    assert [strip.nodes for strip in strips] == ["node 0", "nodes 1 to 3, each"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (0.0037, "0.004 s"), (88.1, "88.1 s"), (377.2, "377 s"), (688, "11.5 min"), (35_173, "9.8 h"),
     (1_661_538, "19.2 days"), (155_781_776, "4.9 years"), (float("inf"), "never")],
)  # fmt: skip
def test_durations_are_said_in_the_unit_that_is_read_at_a_glance(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_sizes_and_shares() -> None:
    assert [size(count) for count in (12, 2_048, 146.8e9, 1.0278e12)] == ["12 B", "2.0 kB", "146.8 GB", "1.03 TB"]
    assert share(0.97851) == "97.85 %"


def test_a_strategy_that_cannot_resume_ranks_behind_one_that_can(compared: list[Compared]) -> None:
    lost = msgspec.structs.replace(
        compared[1], measured=msgspec.structs.replace(
            compared[1].measured, economy=Economy(1.0, 1.0, 1.0, restart=None, goodput=None)
        ),
    )  # fmt: skip
    assert Comparison(request(), [lost, compared[1]]).ranked() == [compared[1], lost]
