"""Reports on a terminal: the same story at any width, with or without colour, in any encoding."""

from __future__ import annotations

import io
import os
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st
from rich.console import Console

import simulator
from simulator.campaigns.result import Failure, Result
from simulator.rank import Rank
from simulator.reports.lanes import ASCII, UNICODE, Lanes, ranks_said
from simulator.reports.printed import printed_by
from simulator.reports.terminal import console_for, print_replay, print_result, print_trace
from simulator.reports.timeline import rows_of
from simulator.trace import Trace
from tests.reports.recordings import killed_and_restarted, second_rename_fails
from tests.reports.schedules import traces


def printed(trace: Trace, width: int = 80, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    print_trace(console_for(file, width=width), trace)
    file.seek(0)
    return file.read()


def result_of(trace: Trace | None, **fields: object) -> Result:
    failure = None
    if trace is not None:
        assert trace.verdict is not None
        verdict = trace.verdict
        failure = Failure(verdict.invariant, verdict.rank, verdict.message, verdict.signature, trace, schedule=1234)
    known: dict[str, Any] = {
        "verdict": "violated" if failure else "clean", "schedules": 1234, "seconds": 2.0, "seed": 7, "scenario": {},
        "failure": failure, "coverage": "sampled: 1,234 schedules, mixed",
    }  # fmt: skip
    return Result(**{**known, **fields})


@given(traces(), st.integers(70, 140), st.sampled_from(("utf-8", "ascii")))
def test_no_line_is_wider_than_the_terminal(trace: Trace, width: int, encoding: str) -> None:
    lines = printed(trace, width, encoding).splitlines()
    assert max(map(len, lines)) <= width


def test_the_nodes_above_the_lanes_are_cut_in_any_encoding() -> None:
    trace = second_rename_fails(1)
    trace.scenario["cluster"] = {"nodes": 8, "ranks_per_node": 1}
    events = [msgspec.structs.replace(trace.attempts[0].events[0], rank=rank, task=rank) for rank in range(8)]
    wide = msgspec.structs.replace(trace, attempts=[msgspec.structs.replace(trace.attempts[0], events=events)])
    header = next(line for line in printed(wide, 70, "ascii").splitlines() if "node 0:" in line)
    assert header.endswith(ASCII.ellipsis)


@given(traces(), st.sampled_from((UNICODE, ASCII)))
def test_lanes_are_equally_wide_in_every_row(trace: Trace, glyphs: object) -> None:
    lanes = Lanes(range(18), glyphs)  # type: ignore[arg-type]
    widths = {sum(len(text) for text, _ in lanes.row(row)) for row in rows_of(trace)}
    assert widths <= {lanes.width}


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("ranks_per_node", [1, 4])
def test_a_failure_tells_what_happened_why_and_in_which_order(width: int, ranks_per_node: int) -> None:
    text = printed(second_rename_fails(ranks_per_node), width)
    one_line = " ".join(text.split())
    assert one_line.startswith("violated no-error: a rank raised")
    assert "[Errno 39] Directory not empty: 'tmp-checkpoint-00000001' -> 'checkpoint-1'" in one_line
    assert "B rank 1: rename tmp-checkpoint-00000001 → checkpoint-1 (ENOTEMPTY), save.py:38" in one_line
    assert "With B before A no rank raises." in one_line
    marked = [line for line in text.splitlines() if line.startswith(("A ", "B "))]
    assert [line[0] for line in marked] == ["A", "B"]
    assert "✗ ENOTEMPTY" in marked[1]


def test_each_rank_acts_in_its_own_column_and_a_chosen_switch_is_a_line() -> None:
    lines = printed(second_rename_fails(4), 120).splitlines()
    row = next(line for line in lines if line.startswith("A "))
    assert row[8:].startswith("│  ├──┼──┼──┼──┼──┼──7  rename")
    assert any(line[8:].startswith("┿━━┿━━┿━━┿━━┿━━┿━━┿━━┿  all-reduce sum of 8 ranks") for line in lines)


def test_attempts_and_faults_are_set_apart() -> None:
    lines = printed(killed_and_restarted()).splitlines()
    killed = next(line for line in lines if "rank 0 is killed" in line)
    assert "✗" in killed
    after = lines[lines.index(killed) + 1]
    assert after[8:14].split() == ["1"]
    assert any("attempt 2 of the job, on what is left" in line for line in lines)


def test_ascii_output_has_the_same_story() -> None:
    text = printed(second_rename_fails(4), 120, "ascii")
    assert "rename   tmp-checkpoint-00000001 -> checkpoint-1  x ENOTEMPTY" in text
    assert text.isascii()


def test_without_a_terminal_and_with_no_color_there_are_no_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in printed(second_rename_fails())
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    print_trace(Console(file=file, force_terminal=True, width=80), second_rename_fails())
    assert "\x1b[3" not in file.getvalue()


def test_more_ranks_than_lanes_leave_those_out_that_do_nothing() -> None:
    text = printed(second_rename_fails(16))
    assert "ranks have no lane" in text
    assert "A " in text


def test_a_result_says_how_much_was_tried_and_with_which_seed() -> None:
    file = io.StringIO()
    print_result(console_for(file, width=100), result_of(None))
    assert file.getvalue() == "clean  sampled: 1,234 schedules, mixed  (2.0 s, 617 schedules/s, seed 7)\n"
    file = io.StringIO()
    print_result(console_for(file, width=100), result_of(second_rename_fails()))
    assert file.getvalue().splitlines()[1] == "schedule 1,234, 2.0 s, 617 schedules/s, seed 7"


def test_an_incomplete_result_says_why() -> None:
    file = io.StringIO()
    print_result(console_for(file), result_of(None, verdict="incomplete", reason="operations: 100 were carried out"))
    assert "operations: 100 were carried out" in file.getvalue()


def test_a_replay_says_whether_it_is_the_recorded_failure() -> None:
    trace = second_rename_fails()
    expected = {
        "the recorded failure, the recorded schedule": trace,
        "differs from the recording": killed_and_restarted(),
    }
    for said, recorded in expected.items():
        file = io.StringIO()
        print_replay(console_for(file), recorded, result_of(trace, coverage="replayed on the model"))
        assert said in " ".join(file.getvalue().split())


def test_a_replay_that_passes_says_first_whether_it_was_the_recorded_run() -> None:
    for reason, head in (
        (None, "clean"),
        ("step 3: the recording has rank 0 rmdir a, this run ends here", "clean  but the run left the recorded"),
        ("all steps are the same, but the recording has no-error: x", "clean  on the recorded schedule"),
    ):
        file = io.StringIO()
        print_replay(console_for(file, width=100), second_rename_fails(), result_of(None, reason=reason))
        assert file.getvalue().splitlines()[0].startswith(head)


def test_one_schedule_is_one_schedule() -> None:
    file = io.StringIO()
    print_result(console_for(file, width=100), msgspec.structs.replace(result_of(None), schedules=1, seconds=1.0))
    assert "1 schedule/s" in file.getvalue()


def test_another_run_is_said_to_pass_only_what_was_judged() -> None:
    trace = second_rename_fails()
    assert trace.explanation is not None
    trace = msgspec.structs.replace(trace, explanation={**trace.explanation, "flipped": "B before A passes."})
    assert "B before A passes.\n" in printed(trace)
    judged = msgspec.structs.replace(trace, scenario={**trace.scenario, "invariants": ["no-error", "no-hang"]})
    assert "B before A passes no-error, no-hang.\n" in printed(judged)


def test_the_head_names_just_the_ranks_that_have_a_lane() -> None:
    assert [ranks_said(ranks, "-") for ranks in ([3], [0, 1, 2], [24, 30, 31])] == [
        "rank 3",
        "ranks 0-2",
        "ranks 24 30 31",
    ]


@pytest.mark.parametrize("width", [72, 80, 100])
def test_of_what_matters_the_line_stays_however_long_the_paths(width: int) -> None:
    def job(rank: Rank) -> None:
        directory = rank.root / "experiments" / "a-name-as-long-as-people-give-them-to-their-experiments"
        os.makedirs(directory / "tmp-checkpoint-1000", exist_ok=True)
        rank.barrier()
        if (directory / "tmp-checkpoint-1000").exists():
            os.rename(directory / "tmp-checkpoint-1000", directory / "checkpoint-1000-of-the-best-run")

    result = simulator.explore(job, schedules=200)
    said = simulator.as_text(result, width=width).splitlines()
    marked = [line for line in said if line[:2] in ("A ", "B ", "! ")]
    assert len(marked) == 3
    assert all(re.search(r"test_terminal\.py:\d+$", line) for line in marked), marked
    assert all(len(line) <= width for line in said)


def test_of_a_printed_traceback_the_lines_of_pythons_library_are_left_out() -> None:
    printed = (
        "Traceback (most recent call last):\n"
        '  File "train.py", line 8, in <module>\n'
        "    rotate()\n"
        '  File "/usr/lib/python3.12/shutil.py", line 732, in rmtree\n'
        "    _rmtree_safe_fd(fd, path, onerror)\n"
        "    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        '  File "/usr/lib/python3.12/site-packages/job/save.py", line 3, in save\n'
        "    os.rmdir(entry.name)\n"
        "FileNotFoundError: [Errno 2] No such file or directory: 'deep'\n"
    )
    trace = second_rename_fails()
    attempt = msgspec.structs.replace(trace.attempts[-1], output={1: printed})
    said = printed_by(msgspec.structs.replace(trace, attempts=[attempt]))
    [lines] = said.values()
    assert not any("shutil" in line or "_rmtree" in line or "^^^" in line for line in lines)
    assert lines[-3:] == [*printed.splitlines()[-3:]]
    assert lines[:3] == [*printed.splitlines()[:3]]
