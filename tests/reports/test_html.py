"""The page of a failure: whole, escaped, and nothing in it is fetched from anywhere."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

import simulator
from simulator.campaigns.demonstrating.demonstration import Demonstration
from simulator.campaigns.result import Failure, Result
from simulator.errors import UsageError
from simulator.reports.html.demonstration import demonstration_page
from simulator.reports.html.failure import failure_page
from simulator.reports.html.page import VOID, element, page, rendered, write
from simulator.reports.lanes import MOST_LANES
from simulator.reports.timeline import Operation, rows_of
from simulator.trace import Trace, Verdict
from simulator.writing import visible
from tests.reports.recordings import Recording, killed_and_restarted, second_rename_fails
from tests.reports.schedules import traces


class Checker(HTMLParser):
    """Holds that elements nest, and collects what a browser would fetch, the anchors, and the text."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.anchors: list[str] = []
        self.links: list[str] = []
        self.policies: list[str] = []
        self.text = ""
        self.scripts = 0
        self.script = ""
        self.feed(document)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        assert tag not in ("link", "img", "iframe", "object")
        self.scripts += tag == "script"
        for name, value in attrs:
            if name in ("src", "srcset", "data", "poster", "action"):
                self.fetched.append(f"{tag} {value}")
            if name == "href":
                self.links.append(value or "")
            if name == "content" and ("http-equiv", "Content-Security-Policy") in attrs:
                self.policies.append(value or "")
            if name == "id":
                self.anchors.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            assert "url(" not in data
            assert "@import" not in data
            assert "http" not in data
        elif self.open and self.open[-1] == "script":
            self.script += data
        else:
            self.text += data


def checked(document: str) -> Checker:
    checker = Checker(document)
    assert checker.fetched == []
    assert [link for link in checker.links if not link.startswith("#")] == []
    assert {link[1:] for link in checker.links} <= set(checker.anchors)
    assert len(set(checker.anchors)) == len(checker.anchors)
    known = base64.b64encode(hashlib.sha256(checker.script.encode()).digest()).decode()
    assert checker.policies == [f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{known}'"]
    assert checker.scripts == 1
    assert not re.search(r"https?:|fetch|XMLHttp|import|src", checker.script)
    return checker


@given(traces())
def test_the_page_of_any_trace_is_whole_and_self_contained(trace: Trace) -> None:
    checked(failure_page(trace))


@given(st.text(), st.text())
def test_text_never_becomes_markup(text: str, attribute: str) -> None:
    class Reader(HTMLParser):
        found: tuple[list[tuple[str, str | None]], str] = ([], "")

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found = (attrs, self.found[1])

        def handle_data(self, data: str) -> None:
            self.found = (self.found[0], self.found[1] + data)

    reader = Reader()
    reader.feed(element("p", text, title=attribute))
    reader.close()
    assert reader.found == ([("title", visible(attribute))], visible(text))


def test_a_failure_is_told_in_full() -> None:
    text = checked(failure_page(second_rename_fails(4), Path("out/a b.json"))).text
    assert "no-error: a rank raised" in text
    assert "[Errno 39] Directory not empty" in text
    assert "With B before A no rank raises." in text
    assert "2 nodes with 4 ranks each" in text
    assert "ckptrace replay 'out/a b.json'" in text


def test_what_is_folded_is_still_in_the_page() -> None:
    job = Recording(2)
    for number in range(200):
        job.do(number % 2, "mkdir", f"directory-{number}", 0o777, None)
    job.end()
    text = checked(failure_page(job.trace(Verdict("complete", "not whole", 0)))).text
    assert "directory-7" in text.replace("\u200b", "")


def test_a_page_of_everything_folds_nothing() -> None:
    trace = second_rename_fails(8)
    rows = failure_page(trace, most=None)
    assert "<details" not in rows
    assert rows.count("data-rank=") == sum(isinstance(row, Operation) for row in rows_of(trace))


def test_a_result_with_several_failures_is_one_page() -> None:
    first, second = second_rename_fails(), killed_and_restarted()
    failures = [Failure("no-error", 1, "error", "signature", trace) for trace in (first, second)]
    result = Result("violated", 2, 0.0, 0, first.scenario, failure=failures[0], failures=failures, hidden="the rest")
    document = simulator.as_html(result)
    assert "Also found" in checked(document).text
    assert "The rest." in document
    assert document.count('class="lanes"') == 2


def test_faults_and_attempts_are_in_the_page() -> None:
    text = checked(failure_page(killed_and_restarted())).text
    assert "rank 0 is killed" in text
    assert "attempt 2 of the job, on what is left" in text


def test_hostile_names_do_no_harm() -> None:
    job = Recording(2)
    job.do(0, "mkdir", "<script>alert(1)</script>", 0o777, None, line=1)
    job.end()
    checked(failure_page(job.trace(Verdict("no-error", "<b>&amp;", 0))))


def test_an_empty_demonstration_is_a_page_too() -> None:
    checked(demonstration_page(Demonstration([], [], [])))


def test_nothing_is_nothing_and_sequences_are_joined() -> None:
    assert rendered([None, "a<", ["b", element("br")]]) == "a&lt;b<br>"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file"):
        write(tmp_path / "file" / "page.html", page("title"))


def test_each_operation_of_a_rank_without_a_lane_is_folded_and_names_its_rank() -> None:
    job = Recording(4, 8)
    for rank in range(32):
        job.do(rank, "mkdir", f"a{rank}", 0o777, None)
    job.end()
    page = failure_page(job.trace())
    laneless = page.count("<span>rank ")
    assert laneless == 32 - MOST_LANES
    assert page.index("<details>") < page.index("<span>rank ")
