"""What is left out: nothing that the story hangs on, nothing uncounted, and never for a single row."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, strategies as st

from simulator.reports.folding import folded
from simulator.reports.joining import joined
from simulator.reports.reason import reason_of
from simulator.reports.timeline import Ended, Fold, Heading, Meeting, Operation, Row, Strike, rows_of
from simulator.trace import Trace
from tests.reports.recordings import Recording, second_rename_fails
from tests.reports.schedules import traces


def marked_rows(trace: Trace) -> list[Row]:
    return rows_of(trace, reason_of(trace).marks)


def operations(rows: Sequence[Row]) -> int:
    """How many operations the rows stand for."""
    return sum(
        row.joined if isinstance(row, Operation) else len(row.ranks) if isinstance(row, Meeting) else row.count
        for row in rows
        if isinstance(row, Operation | Meeting | Fold)
    )


def unfolded(rows: Sequence[Row]) -> list[Row]:
    return [inner for row in rows for inner in (row.rows if isinstance(row, Fold) else (row,))]


@given(traces(), st.integers(0, 40))
def test_no_operation_is_lost_and_the_order_stays(trace: Trace, most: int) -> None:
    rows = joined(marked_rows(trace))
    shown = folded(rows, most)
    assert operations(shown) == operations(rows) == sum(len(attempt.events) for attempt in trace.attempts)
    assert unfolded(shown) == rows


@given(traces(), st.integers(0, 40))
def test_what_the_story_hangs_on_is_always_shown(trace: Trace, most: int) -> None:
    rows = joined(marked_rows(trace))
    needed = [
        row for row in rows if isinstance(row, Heading | Strike | Ended) or (isinstance(row, Operation) and row.mark)
    ]
    shown = folded(rows, most)
    assert [row for row in shown if row in needed] == needed


@given(traces(), st.integers(0, 40))
def test_a_fold_replaces_at_least_two_rows(trace: Trace, most: int) -> None:
    assert all(len(row.rows) >= 2 for row in folded(joined(marked_rows(trace)), most) if isinstance(row, Fold))


def test_a_schedule_that_fits_is_not_folded() -> None:
    rows = marked_rows(second_rename_fails())
    assert folded(rows, len(rows)) == rows


def test_a_chosen_switch_stays_with_what_it_interrupted() -> None:
    job = Recording(2)
    for number in range(40):
        job.do(0, "mkdir", f"a{number}", 0o777, None)
    job.switch(0, 1)
    for number in range(40):
        job.do(1, "mkdir", f"b{number}", 0o777, None)
    job.end()
    shown = [row.phrase.paths[0] for row in folded(rows_of(job.trace()), 4) if isinstance(row, Operation)]
    assert shown == ["a39", "b0"]


def test_a_fold_says_who_wrote_and_deleted_what() -> None:
    job = Recording(2)
    job.write_file(0, "d/model.pt")
    job.write_file(1, "d/rng.pth")
    job.do(1, "unlink", "old.pt", None)
    job.meet()
    job.end()
    (fold,) = folded(joined(rows_of(job.trace())), 0)
    assert isinstance(fold, Fold)
    assert fold.count == 9
    assert fold.said == "7 operations of ranks 0 and 1, writing model.pt, rng.pth, deleting old.pt, barrier"


def test_a_file_that_is_opened_written_and_closed_is_one_row() -> None:
    job = Recording(2)
    job.write_file(0, "d/model.pt", 4096)
    job.end()
    (row,) = joined(rows_of(job.trace()))
    assert isinstance(row, Operation)
    assert (row.phrase.line(), row.joined, row.step) == ("write    d/model.pt  4,096 bytes", 3, 1)


def test_a_file_is_not_joined_across_a_switch_or_a_refusal() -> None:
    job = Recording(2)
    job.do(0, "open", "d/model.pt", 0o1101, 0o666, None, result="fd3")
    job.do(1, "mkdir", "d2", 0o777, None)
    job.do(0, "write", "fd3", "8 bytes ab", None, result=8)
    job.do(0, "write", "fd3", "8 bytes ab", None, error="ENOSPC")
    job.end()
    rows = rows_of(job.trace())
    assert joined(rows) == rows


def test_a_file_that_was_not_closed_is_said_so() -> None:
    job = Recording(2)
    job.do(0, "open", "d/model.pt", 0o1101, 0o666, None, result="fd3")
    job.do(0, "write", "fd3", "8 bytes ab", None, result=8)
    job.do(0, "fsync", "fd3", False)
    job.end()
    (row,) = joined(rows_of(job.trace()))
    assert isinstance(row, Operation)
    assert row.phrase.detail == "8 bytes, fsync, not yet closed"
