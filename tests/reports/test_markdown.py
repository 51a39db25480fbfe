"""The summary in Markdown: nothing in a text breaks a table or a block, and a failure says how to replay it."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given

from simulator.reports.markdown import markdown
from simulator.reports.suite_object import Reported
from tests.reports.suites import broken, failed, missed, passed, replayed, reports


def summary(*reported: Reported) -> str:
    return markdown(reported, 12.34, 5, Path("scenarios/regressions"))


@given(reports())
def test_every_row_of_the_table_has_its_five_cells(reported: list[Reported]) -> None:
    lines = summary(*reported).split("\n")
    rows = lines[4 : 4 + len(reported)]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 6 for row in rows)
    assert lines[4 + len(reported)] == ""


@given(reports())
def test_every_block_that_is_opened_is_closed(reported: list[Reported]) -> None:
    opened = None
    for line in summary(*reported).split("\n"):
        fence = re.match("`{3,}", line)
        if opened is None and fence is not None:
            opened = fence.group()
        elif opened is not None and line == opened:
            opened = None
    assert opened is None


def test_the_heading_counts() -> None:
    text = summary(passed(), failed(), broken(), broken(), missed(), replayed())
    assert text.startswith("## ckptrace: 1 passed, 3 failed, 2 errors\n")
    assert "12.3 s, seed 5" in text


def test_a_failure_has_its_lanes_and_how_to_replay_and_keep_it() -> None:
    text = summary(failed())
    assert "The order of A and B decides" in text
    assert "Confirmed on ext4." in text
    assert "ckptrace replay 'out/trace 1.json'" in text
    assert "cp 'out/trace 1.json' scenarios/regressions/" in text


def test_a_kept_failure_is_not_kept_twice() -> None:
    assert "cp " not in summary(replayed())


def test_what_passed_has_a_row_only() -> None:
    assert "###" not in summary(passed())
