"""What is left out: nothing that the story hangs on, nothing uncounted, and never for a single row."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, strategies as st

from simulator.reports.folding import fold_without_lane, folded
from simulator.reports.joining import joined
from simulator.reports.lanes import MOST_LANES, shown_ranks
from simulator.reports.reason import reason_of
from simulator.reports.timeline import Ended, Fold, Heading, Meeting, Operation, Row, Strike, ranks_of, rows_of
from simulator.trace import Trace, Verdict
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


def test_what_a_rank_did_before_it_was_killed_is_shown() -> None:
    job = Recording(2)
    for number in range(40):
        job.do(0, "mkdir", f"a{number}", 0o777, None)
    job.do(1, "mkdir", "b", 0o777, None)
    job.do(1, "mkdir", "c", 0o777, None)
    job.strike("rank 0 is killed")
    for number in range(40):
        job.do(1, "mkdir", f"d{number}", 0o777, None)
    job.end({0: "killed"})
    shown = [row.phrase.paths[0] for row in folded(rows_of(job.trace()), 4) if isinstance(row, Operation)]
    assert "a39" in shown


def test_the_rename_that_took_a_path_away_is_shown_with_what_failed_for_it() -> None:
    job = Recording(2)
    job.do(0, "rename", "tmp-1", "checkpoint-1", None, None)
    for number in range(40):
        job.do(0, "mkdir", f"a{number}", 0o777, None)
        job.do(0, "rename", f"a{number}", f"b{number}", None, None)
    failing = job.do(1, "open", "tmp-1/rng_1.pth", 0, 0o666, None, error="ENOENT")
    error = "FileNotFoundError: [Errno 2] No such file or directory: 'tmp-1/rng_1.pth'"
    job.end({1: f"raised {error}"})
    rows = rows_of(job.trace(Verdict("no-error", f"rank 1 raised {error}", 1)))
    shown = [row for row in folded(rows, 4) if isinstance(row, Operation)]
    assert [row.step for row in shown if row.failed] == [failing + 1]
    assert shown[0].phrase.paths == ("tmp-1", "checkpoint-1")


@given(traces(), st.sets(st.integers(0, 17)))
def test_operations_of_ranks_without_a_lane_are_folded_and_none_is_lost(trace: Trace, ranks: set[int]) -> None:
    rows = joined(marked_rows(trace))
    shown = fold_without_lane(folded(rows, 20), ranks)
    assert unfolded(shown) == rows
    assert all(row.rank in ranks or row.mark for row in shown if isinstance(row, Operation))


def test_of_many_ranks_those_that_decide_have_a_lane() -> None:
    job = Recording(4, 8)
    for rank in range(32):
        job.do(rank, "mkdir", f"a{rank}", 0o777, None)
    error = "FileExistsError: [Errno 17] File exists: 'x'"
    job.do(31, "mkdir", "x", 0o777, None, error="EEXIST")
    job.end({31: f"raised {error}"})
    trace = job.trace(Verdict("no-error", f"rank 31 raised {error}", 31))
    ranks = shown_ranks(marked_rows(trace), ranks_of(trace))
    assert (len(ranks), ranks[-1]) == (MOST_LANES, 31)
