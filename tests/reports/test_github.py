"""Annotations: one command a line, at the lines of the deciding operations where they lie in the workspace."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given

from simulator.reports.github import error_commands
from simulator.reports.suite_object import Reported
from tests.reports.recordings import SITE
from tests.reports.suites import broken, failed, missed, passed, reports

WORKSPACE = Path(SITE).parent


@given(reports())
def test_whatever_the_texts_a_command_is_one_line_with_its_place(reported: list[Reported]) -> None:
    for command in error_commands(reported, WORKSPACE):
        assert re.fullmatch(r"::error file=[^,:\r\n]*,line=\d+,title=[^,:\r\n]*::[^\r\n]*", command)


def test_the_lines_of_the_deciding_operations_are_marked() -> None:
    marks = list(error_commands([failed()], WORKSPACE))
    assert [re.findall(r"file=(.*),line=(\d+)", mark)[0] for mark in marks] == [("save.py", "40"), ("save.py", "38")]
    assert "::A: rank 0: mkdir checkpoint-1" in marks[0]
    assert "title=racy%3A no-error" in marks[0]


def test_where_they_lie_elsewhere_the_scenario_is_marked() -> None:
    (mark,) = error_commands([failed()], Path("/somewhere/else"))
    assert mark.startswith("::error file=scenarios/racy.toml,line=1,title=racy%3A no-error::violated no-error")


def test_so_it_is_for_what_is_no_failure() -> None:
    assert list(error_commands([passed()], WORKSPACE)) == []
    (mark,) = error_commands([broken("50% of it\nfailed")], WORKSPACE)
    assert mark.endswith("scenarios/alone.toml,line=1,title=alone%3A error::50%25 of it%0Afailed")
    (mark,) = error_commands([missed()], WORKSPACE)
    assert mark.endswith("known%3A failed::expected violated keep, found clean")
