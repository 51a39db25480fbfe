"""A trace as rows: who was switched to and why, who met whom, when lanes end, and where the verdict fell."""

from __future__ import annotations

from typing import TypeVar

from simulator.reports.timeline import Ended, Heading, Meeting, Operation, Row, Strike, node_of, ranks_of, rows_of
from simulator.trace import Verdict
from tests.reports.recordings import Recording, killed_and_restarted, second_rename_fails

Kind = TypeVar("Kind")


def of_kind(rows: list[Row], kind: type[Kind]) -> list[Kind]:
    return [row for row in rows if isinstance(row, kind)]


def test_a_switch_that_the_tape_chose_is_told_from_one_that_was_forced() -> None:
    job = Recording(2)
    job.do(0, "mkdir", "a", 0o777, None)
    job.switch(0, 1)
    job.do(1, "mkdir", "b", 0o777, None)
    job.do(1, "mkdir", "c", 0o777, None)
    job.do(0, "mkdir", "d", 0o777, None)
    job.end()
    assert [row.switch for row in of_kind(rows_of(job.trace()), Operation)] == ["", "chosen", "", "forced"]


def test_who_starts_can_be_chosen() -> None:
    job = Recording(2)
    job.tape.append((0, "schedule", -1, 0, 2))
    job.do(1, "mkdir", "a", 0o777, None)
    job.end()
    assert of_kind(rows_of(job.trace()), Operation)[0].switch == "chosen"


def test_collectives_count_as_steps_of_a_rank_when_a_switch_is_looked_up() -> None:
    job = Recording(2)
    job.meet()
    job.do(0, "mkdir", "a", 0o777, None)
    job.switch(0, 1)
    job.do(1, "mkdir", "b", 0o777, None)
    job.end()
    assert [row.switch for row in of_kind(rows_of(job.trace()), Operation)] == ["", "chosen"]


def test_ranks_that_go_through_a_collective_together_are_one_row() -> None:
    job = Recording(2, 2)
    job.meet()
    job.meet()
    job.meet("broadcast", [0])
    job.meet("broadcast", [1, 2, 3])
    job.end()
    meetings = of_kind(rows_of(job.trace()), Meeting)
    assert [(row.said, row.ranks) for row in meetings] == [
        ("barrier", (0, 1, 2, 3)),
        ("barrier", (0, 1, 2, 3)),
        ("broadcast", (0,)),
        ("broadcast", (1, 2, 3)),
    ]
    assert [row.step for row in meetings] == [1, 5, 9, 10]


def test_a_lane_ends_after_the_last_operation_of_its_rank() -> None:
    job = Recording(2)
    job.do(0, "mkdir", "a", 0o777, None)
    job.do(1, "mkdir", "b", 0o777, None)
    job.end()
    first, second = of_kind(rows_of(job.trace()), Operation)
    assert (first.alive, second.alive) == (frozenset({0, 1}), frozenset({1}))


def test_a_kill_strikes_where_it_happened_and_the_launcher_ends_the_rest() -> None:
    rows = rows_of(killed_and_restarted())
    assert [row.said for row in of_kind(rows, Heading)] == [
        "attempt 1 of the job",
        "attempt 2 of the job, on what is left",
    ]
    strikes = of_kind(rows, Strike)
    assert [(row.said, row.ranks) for row in strikes] == [("rank 0 is killed", (0,))]
    before = rows[rows.index(strikes[0]) - 1]
    after = rows[rows.index(strikes[0]) + 1]
    assert isinstance(before, Operation)
    assert before.phrase.call == "close"
    assert isinstance(after, Operation)
    assert after.alive == {1}


def test_survivors_of_a_kill_without_an_ending_were_ended_by_the_launcher() -> None:
    job = Recording(2, 2)
    job.do(0, "mkdir", "a", 0o777, None)
    job.strike("node 0 dies")
    job.do(2, "mkdir", "b", 0o777, None)
    job.end({0: "killed", 1: "killed"})
    del job.attempts[0].endings[2], job.attempts[0].endings[3]
    job.end()
    strikes = of_kind(rows_of(job.trace()), Strike)
    assert [(row.said, row.ranks) for row in strikes] == [
        ("node 0 dies", (0, 1)),
        ("the launcher ends the other ranks", (2, 3)),
    ]


def test_the_operation_whose_error_was_raised_is_marked_not_the_cleaning_up_after_it() -> None:
    job = Recording(2)
    job.do(0, "rename", "tmp", "checkpoint-1", None, None, error="ENOTEMPTY")
    failing = job.do(0, "rmdir", "checkpoint-1", None, error="ENOTEMPTY")
    job.do(0, "stat", "tmp", False, None, error="ENOENT")
    job.do(0, "rmdir", "tmp", None)
    error = "OSError: [Errno 39] Directory not empty: 'checkpoint-1'"
    job.end({0: f"raised {error}"})
    rows = rows_of(job.trace(Verdict("no-error", f"rank 0 raised {error}", 0)))
    assert [row.step for row in of_kind(rows, Operation) if row.failed] == [failing + 1]
    assert [row.said for row in of_kind(rows, Ended)] == ["raised OSError"]


def test_an_errno_that_file_systems_may_give_in_its_place_is_recognised() -> None:
    """The trace keeps ENOTEMPTY for both; on XFS the message says EEXIST."""
    job = Recording(2)
    failing = job.do(0, "rename", "tmp", "checkpoint-1", None, None, error="ENOTEMPTY")
    job.do(0, "rmdir", "tmp", None)
    message = "rank 0 raised FileExistsError: [Errno 17] File exists: 'tmp' -> 'checkpoint-1'"
    job.end()
    rows = rows_of(job.trace(Verdict("no-error", message, 0)))
    assert [row.step for row in of_kind(rows, Operation) if row.failed] == [failing + 1]


def test_what_a_restart_would_find_is_marked_at_the_last_operation_only_if_judged_at_every_instant() -> None:
    job = Recording(2)
    job.do(0, "mkdir", "checkpoint-1", 0o777, None)
    job.end()
    verdict = Verdict("complete", "a restart fails: …", 1)
    instant = rows_of(job.trace(verdict))
    at_end = rows_of(job.trace(verdict, faults={"job_death": False}))
    assert [row.mark for row in of_kind(instant, Operation)] == ["!"]
    assert [row.mark for row in of_kind(at_end, Operation)] == [""]


def test_ranks_and_nodes_follow_from_the_cluster() -> None:
    trace = second_rename_fails(4)
    assert ranks_of(trace) == list(range(8))
    assert [node_of(trace, rank) for rank in (0, 3, 4, 7)] == [0, 0, 1, 1]


def failed(job: Recording, error: str) -> list[str]:
    """The calls that are marked when rank 0 ends with that error."""
    job.end({0: f"raised {error}"})
    rows = rows_of(job.trace(Verdict("no-error", f"rank 0 raised {error}", 0)))
    return [row.phrase.call for row in of_kind(rows, Operation) if row.mark]


def test_an_exception_that_no_operation_gave_marks_none() -> None:
    job = Recording(2)
    job.do(0, "stat", "checkpoint-1", False, None, error="ENOENT")
    job.write_file(0, "checkpoint-1")
    assert failed(job, "KeyError: 'step'") == []


def test_the_write_that_failed_is_marked_not_the_close_after_it() -> None:
    job = Recording(2)
    job.do(0, "open", "a", 0o101, 0o666, None, result="fd3")
    job.do(0, "write", "fd3", "1 bytes abc", None, error="ENOSPC")
    job.do(0, "close", "fd3")
    assert failed(job, "OSError: [Errno 28] No space left on device") == ["write"]


def test_a_descriptor_that_failed_is_not_blamed_for_an_error_about_a_path() -> None:
    job = Recording(2)
    job.do(0, "write", "fd3", "1 bytes abc", None, error="ENOSPC")
    job.do(0, "mkdir", "b", 0o777, None, error="ENOSPC")
    job.do(0, "mkdir", "c", 0o777, None, error="ENOSPC")
    assert failed(job, "OSError: [Errno 28] No space left on device: '/b'") == ["mkdir"]


def test_a_rank_that_raised_before_it_did_anything_ends_at_the_top() -> None:
    job = Recording(3)
    job.do(0, "mkdir", "a", 0o777, None)
    job.do(2, "mkdir", "b", 0o777, None)
    job.end({1: "raised ValueError: no"}, line=7)
    first, *rest = rows_of(job.trace(Verdict("no-error", "rank 1 raised ValueError: no", 1)))
    assert isinstance(first, Ended)
    assert (first.rank, first.said, first.site) == (1, "raised ValueError", "/home/me/job/save.py:7")
    assert of_kind(rest, Operation)[0].alive == {0, 2}


def test_a_job_that_hangs_marks_no_operation() -> None:
    job = Recording(2)
    job.do(0, "mkdir", "a", 0o777, None)
    job.end()
    rows = rows_of(job.trace(Verdict("no-hang", "the job cannot end: rank 1 in barrier", 1)))
    assert [row.mark for row in of_kind(rows, Operation)] == [""]
