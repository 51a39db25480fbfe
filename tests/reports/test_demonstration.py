"""The demonstration in every medium, from results made by hand."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest

from simulator.campaigns.demonstrating.demonstration import Candidate, Demonstration, Outcome, Surveyed, Tried
from simulator.campaigns.replay.confirming import Confirmation
from simulator.campaigns.result import Failure, Result
from simulator.campaigns.scale.scale_result import ScaleResult
from simulator.costs import RankUsage
from simulator.invariants import Violation
from simulator.reports.account import accounts
from simulator.reports.demonstration import on_disk, print_at_scale, print_outcome, print_survey
from simulator.reports.demonstration_object import demonstration_object
from simulator.reports.html.demonstration import demonstration_page
from simulator.reports.terminal import console_for
from tests.reports.recordings import second_rename_fails
from tests.reports.test_html import checked

CONFIRMED = Confirmation("confirmed", "confirmed on ext4", "ext4", 0.5)
MODEL_ONLY = Confirmation("model only", "model only: power loss")


def usage(rank: int, busy: float, waited: float) -> RankUsage:
    return RankUsage(rank, rank // 8, 10, 8, 27_500_000_000, 0, busy, waited, waited, 0.0)


def failed() -> Failure:
    trace = second_rename_fails()
    assert trace.verdict is not None
    return Failure("no-error", 1, trace.verdict.message, trace.verdict.signature, trace, schedule=12)


def tried(failure: Failure | None) -> Tried:
    verdict = "clean" if failure is None else "violated"
    result = Result(verdict, 300, 1.0, 0, {"cluster": {"nodes": 2, "ranks_per_node": 1}}, failure=failure)
    return Tried(result, None if failure is None else CONFIRMED)


@pytest.fixture
def shown() -> Demonstration:
    """One outcome, two strategies and one run at scale."""
    racy = Surveyed(Candidate("racy", {"on_each_node": True}), tried(failed()), tried(failed()))
    sound = Surveyed(Candidate("sound"), tried(None), tried(None))
    run = ScaleResult(
        strategy="racy", scenario={}, seed=0, verdict="violated", judged="errors and hangs",
        violation=Violation("no-error", "rank 1 raised OSError: Directory not empty", 1),
        left="a restart would start from nothing", raised={"OSError: Directory not empty": 3}, seconds=470.0, saves=[],
        usage=[usage(0, 470.0, 0.0), *(usage(r, 176.2, 293.7) for r in range(1, 32))], nodes=[], bandwidths=[],
        warnings=[], operations=320, wall_seconds=0.1, trace=second_rename_fails(),
    )  # fmt: skip
    return Demonstration([Outcome("It fails", failed(), CONFIRMED)], [racy, sound], [run])


def printed(shown: Demonstration, width: int) -> str:
    file = io.StringIO()
    console = console_for(file, width=width)
    print_outcome(console, 1, shown.outcomes[0])
    print_survey(console, shown.surveyed)
    print_at_scale(console, shown.at_scale)
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_shows_outcomes_verdicts_and_waits(shown: Demonstration, width: int) -> None:
    lines = printed(shown, width).splitlines()
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "1. It fails" in text
    assert "confirmed on ext4" in text
    (racy,) = [line.split() for line in lines if line.startswith("racy, on each node")]
    assert racy[4:] == ["no-error", "300", "no-error", "300", "ext4"]
    (sound,) = [line.split() for line in lines if line.startswith("sound")]
    assert sound == ["sound", "clean", "300", "clean", "300", "-"]
    (waiting,) = [line.split() for line in lines if line.startswith("ranks 1 to 31")]
    assert waiting[4:] == ["27.5", "GB", "176.2", "s", "293.7", "s", "293.7", "s"]


def test_the_page_leads_from_each_verdict_to_its_schedule(shown: Demonstration) -> None:
    page = checked(demonstration_page(shown))
    assert page.links == ["#racy-on-each-node-nobody-dies", "#racy-on-each-node-a-rank-or-the-job-may-die"]
    assert "ranks 1 to 31" in page.text


def test_the_object_holds_every_verdict(shown: Demonstration) -> None:
    table = msgspec.json.decode(msgspec.json.encode(demonstration_object(shown, Path("report.html"))))
    assert [each["strategy"] for each in table["strategies"]] == ["racy, on each node", "sound"]
    assert table["strategies"][0]["nobody dies"]["invariant"] == "no-error"
    assert table["strategies"][1]["nobody dies"]["verdict"] == "clean"
    assert table["outcomes"][0]["confirmation"] == "confirmed"
    assert len(table["at_scale"][0]["ranks"]) == 32


def test_ranks_that_fared_alike_are_one_line() -> None:
    alike = [usage(0, 1.0, 0.0), usage(1, 2.0, 3.0), usage(2, 2.0, 3.04), usage(3, 1.0, 0.0)]
    assert [(one.ranks, one.waited) for one in accounts(alike)] == [
        ("rank 0", 0.0),
        ("ranks 1 to 2", 3.0),
        ("rank 3", 0.0),
    ]


def test_what_the_disk_said_is_never_more_than_it_said() -> None:
    assert on_disk([None, None]) == "-"
    assert on_disk([CONFIRMED, None]) == "ext4"
    assert on_disk([CONFIRMED, MODEL_ONLY]) == "confirmed, model only"
