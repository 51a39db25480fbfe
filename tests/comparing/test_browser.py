"""The page in a real browser: nothing is fetched, nothing is complained about, and it fits a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.campaigns.comparison import Comparison
from simulator.reports.comparison.page import comparison_page
from simulator.reports.html.failure import failure_page
from simulator.reports.html.page import write
from tests.comparing.browser import Page, browser, opened
from tests.reports.recordings import second_rename_fails

OVERFLOWING = """
[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
    && !e.closest('.scroll') && !e.closest('.aloud') && !e.closest('svg') && e.checkVisibility())
    .map(e => e.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    program = browser()
    if program is None:
        pytest.skip("no browser: Debian's package is chromium")
    with opened(program, tmp_path_factory.mktemp("browser") / "profile") as found:
        yield found


@pytest.fixture(scope="module")
def document(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write(path, comparison_page(comparison))
    return path


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_leaves_the_page_and_nobody_complains(page: Page, document: Path, width: int, dark: bool) -> None:
    page.requests.clear()
    page.open(document, width, dark=dark)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.requests == [document.as_uri()]
    assert page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(OVERFLOWING) == []
    assert page.screenshot().startswith(b"\x89PNG")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(22, 22, 22)") == dark


def test_a_request_and_a_complaint_would_be_seen(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "loud.html"
    path.write_text("<img src='http://127.0.0.1:9/x.png'><script>console.error('no')</script>", encoding="utf-8")
    page.requests.clear()
    page.open(path, 800)
    assert "http://127.0.0.1:9/x.png" in page.requests
    assert page.complaints
    page.complaints.clear()


def test_the_links_of_the_table_lead_to_what_opens(page: Page, document: Path) -> None:
    page.open(document, 1280)
    links = page.evaluate("[...document.querySelectorAll('.overview a')].map(a => a.getAttribute('href').slice(1))")
    assert links
    assert page.evaluate(f"{links}.filter(id => !document.getElementById(id))") == []
    page.evaluate("document.querySelector('.overview a').click()")
    assert page.evaluate("document.querySelector('details.strategy').open") is True


@pytest.mark.parametrize("width", [1280, 390])
def test_a_schedule_can_be_unfolded_and_filtered_and_its_command_copied(page: Page, tmp_path: Path, width: int) -> None:
    path = tmp_path / "failure.html"
    write(path, failure_page(second_rename_fails(4), Path("failure.json"), most=8))
    page.open(path, width)
    shown = "[...document.querySelectorAll('li.row[data-rank]')].filter(e => e.checkVisibility()).length"
    all_ = int(page.evaluate("document.querySelectorAll('li.row[data-rank]').length"))
    folded = int(page.evaluate(shown))
    assert 0 < folded < all_
    page.evaluate("document.querySelector('.tools button').click()")
    assert page.evaluate(shown) == all_
    page.evaluate("document.querySelector('.tools button').click()")
    assert page.evaluate(shown) == folded
    change = "((e, v, t) => { e.value = v; e.dispatchEvent(new Event(t)); })"
    page.evaluate(f"{change}(document.querySelector('.tools select'), '1', 'change')")
    ranks = page.evaluate("[...document.querySelectorAll('li.row:not([hidden])')].map(e => e.dataset.rank)")
    assert set(ranks) == {"1"}
    assert page.evaluate(shown) == len(ranks), "what matches is not hidden in a fold"
    assert page.evaluate("document.querySelector('.tools output').textContent") == f"{len(ranks)} of {all_} rows"
    page.evaluate(f"{change}(document.querySelector('.tools input'), 'rename', 'input')")
    assert 0 < page.evaluate(shown) < len(ranks)
    page.evaluate(f"{change}(document.querySelector('.tools input'), '', 'input')")
    page.evaluate(f"{change}(document.querySelector('.tools select'), '', 'change')")
    assert page.evaluate(shown) == folded
    page.evaluate("document.querySelector('button.copy').click()")
    lines = "[...document.querySelectorAll('.row.marked .site, .row.failed .site')].every(e => e.checkVisibility())"
    assert page.evaluate(lines) is True
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints == []


@pytest.mark.parametrize("width", [1280, 390])
def test_each_rank_has_one_lane_in_all_rows_marked_or_not(page: Page, tmp_path: Path, width: int) -> None:
    path = tmp_path / "failure.html"
    write(path, failure_page(second_rename_fails(4), Path("failure.json")))
    page.open(path, width)
    lefts = "[...new Set([...document.querySelectorAll('.lanes li.row .graph')].filter(e => e.checkVisibility())"
    assert page.evaluate("document.querySelectorAll('.lanes .row.marked').length") > 0
    assert len(page.evaluate(lefts + ".map(e => Math.round(e.getBoundingClientRect().left)))]")) == 1
