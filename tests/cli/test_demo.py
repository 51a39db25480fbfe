"""ckptrace demo, whole: slow, since it searches every strategy."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from simulator import registry, trace as traces
from tests.cli.commands import Command
from tests.reports.test_html import checked

LIMIT = 60
"""Seconds on two cores."""


@pytest.mark.slow
def test_the_demonstration_comes_out_as_expected_within_a_minute(ckptrace: Command) -> None:
    started = time.perf_counter()
    called = ckptrace("demo", "--json", "demo.json")
    assert time.perf_counter() - started < LIMIT
    assert called.code == 0, called.err
    for said in ("Directory not empty", "No such file or directory", "No rank reports anything", "ranks 1 to 31"):
        assert said in called.out
    for name in registry.names():
        assert name in called.out
    page = checked((ckptrace.directory / "ckptrace-demo" / "report.html").read_text())
    assert "At the size of 72B" in page.text
    for path in Path("ckptrace-demo").glob("*.json"):
        assert traces.load(path).verdict is not None


def test_a_place_that_is_not_writable_is_named_before_anything_is_searched(ckptrace: Command) -> None:
    ckptrace.write("file", "")
    called = ckptrace("demo", "--out", "file/demo")
    assert (called.code, called.err) == (2, "ckptrace: file: Not a directory\n")
