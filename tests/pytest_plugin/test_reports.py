"""What a failing race test says: the traceback of the code under test, the lanes, and the figures."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.pytest_plugin.sessions import RACY, REPAIRED, Sessions, marked


def test_a_crash_keeps_its_own_traceback(sessions: Sessions) -> None:
    """As on a real disk: the innermost line is the call of os, in the code under test."""
    result = sessions.run(source=RACY)
    result.stdout.fnmatch_lines(
        [
            "*def test_save(rank):",
            '>           os.rename(staging, rank.root / "checkpoint-1")',
            "E           FileNotFoundError: [[]Errno 2[]] No such file or directory: *",
            "test_it.py:11: FileNotFoundError",
        ],
        consecutive=False,
    )
    result.stdout.no_fnmatch_line("*simulator*")
    result.stdout.no_fnmatch_line("*raised at*")


def test_so_does_what_it_came_from(sessions: Sessions) -> None:
    source = """
        import pytest

        def claim(path):
            try:
                path.mkdir()
            except FileExistsError as error:
                raise RuntimeError("already claimed") from error

        @pytest.mark.checkpoint_race(schedules=20, seed=1)
        def test_claim(rank):
            claim(rank.root / "claimed")
    """
    result = sessions.run("--tb=short", source=source)
    result.stdout.fnmatch_lines(
        [
            "test_it.py:5: in claim",
            "E   FileExistsError: *",
            "The above exception was the direct cause of the following exception:",
            "test_it.py:11: in test_claim",
            "test_it.py:7: in claim",
            "E   RuntimeError: already claimed",
        ]
    )


def test_a_failing_rmtree_is_told_by_the_line_that_called_it(sessions: Sessions) -> None:
    source = """
        import os
        import shutil
        import pytest

        @pytest.mark.checkpoint_race(schedules=200, seed=1)
        def test_rotate(rank):
            (rank.root / "old" / "deep").mkdir(parents=True, exist_ok=True)
            rank.barrier()
            shutil.rmtree(rank.root / "old")
    """
    result = sessions.run(source=source)
    result.stdout.fnmatch_lines(['>       shutil.rmtree(rank.root / "old")', "test_it.py:*: FileNotFoundError"])
    result.stdout.no_fnmatch_line("*shutil.py*")
    result.stdout.no_fnmatch_line("*_rmtree_safe*")


def test_notes_of_the_code_under_test_stay(sessions: Sessions) -> None:
    body = 'work(rank); error = OSError("full"); error.add_note("of the code"); raise error'
    result = sessions.run(source=marked(body=body))
    result.stdout.fnmatch_lines(["E       OSError: full", "E       of the code"], consecutive=True)
    result.stdout.no_fnmatch_line("*raised at*")


def test_an_open_file_of_a_failed_rank_disturbs_no_later_test(sessions: Sessions) -> None:
    body = 'file = open(rank.root / "log", "a"); file.write("unflushed"); assert rank.index == 0'
    source = marked(body=body) + "\n    def test_later():\n        import gc\n        gc.collect()\n"
    sessions.run("-W", "error", source=source).assert_outcomes(failed=1, passed=1)


def test_the_lanes_and_how_to_run_it_again_follow(sessions: Sessions) -> None:
    result = sessions.run(source=RACY)
    result.stdout.fnmatch_lines(
        [
            "*- checkpoint race -*",
            "violated  no-error: a rank raised",
            "*The order of A and B decides: here A comes first.",
            "*step  node 0: rank 0; node 1: rank 1",
            "B   16  0  │  rename   tmp-checkpoint-1 → checkpoint-1 *",
            "*✗  rank 1 raised FileNotFoundError*",
            "found   in schedule * of 200, scheduler mixed, seed 1",
            "trace   .ckptrace/failures/test_it.py-test_save-*.json",
            "replay  pytest test_it.py::test_save --ckptrace-replay .ckptrace/failures/test_it.py-test_save-*.json",
        ]
    )


def test_a_violation_that_no_rank_raised_is_told_by_what_it_is(sessions: Sessions) -> None:
    result = sessions.run(source=marked(body="work(rank); rank.barrier() if rank.index else None"))
    result.stdout.fnmatch_lines(
        [
            "no-hang: the job cannot end: rank 1 in barrier; the other ranks have ended",
            "found   in the first schedule, which nothing disturbs",
        ]
    )


def test_warnings_and_logging_of_thousands_of_schedules_are_shown_once(sessions: Sessions) -> None:
    body = 'work(rank); import logging, warnings; warnings.warn("old"); logging.warning(f"rank {rank.index}"); assert 0'
    result = sessions.run(source=marked(body=body))
    result.assert_outcomes(failed=1, warnings=1)
    logged = [line for line in result.outlines if line.startswith("WARNING")]
    assert [line.split()[-1] for line in logged] == ["0"], (
        "of the failing run only, in which rank 1 did not come so far"
    )
    passed = sessions.run("-rP", source=marked(body=body.replace("; assert 0", "")))
    passed.assert_outcomes(passed=1, warnings=1)
    passed.stdout.no_fnmatch_line("WARNING*")


def test_the_summary_has_seed_and_speed(sessions: Sessions) -> None:
    result = sessions.run("--ckptrace-seed=77", source=REPAIRED.replace(", seed=1", ""))
    (line,) = [line for line in result.outlines if line.startswith("checkpoint races: ")]
    said = r"checkpoint races: 1 test, 200 schedules in \d+\.\d s \([\d,]+ schedules/s\), --ckptrace-seed=77"
    assert re.fullmatch(said, line)


def test_the_seed_is_another_in_each_session_and_can_be_given_again(sessions: Sessions) -> None:
    sessions.write(REPAIRED.replace(", seed=1", ""))
    seeds = {sessions.reported()["ckptrace_seed"] for _ in range(3)}
    assert len(seeds) == 3
    assert sessions.reported(f"--ckptrace-seed={min(seeds)}")["ckptrace_seed"] == min(seeds)


def test_the_number_of_schedules_can_be_overridden(sessions: Sessions) -> None:
    assert sessions.reported("--ckptrace-schedules=33", source=REPAIRED)["ckptrace_schedules"] == 33


def test_junit_xml_has_the_figures(sessions: Sessions) -> None:
    sessions.run("--junitxml=report.xml", source=RACY)
    case = ElementTree.parse(sessions.root / "report.xml").find(".//testcase")
    assert case is not None
    properties = {found.get("name"): found.get("value") for found in case.iter("property")}
    assert properties["ckptrace_verdict"] == "violated"
    assert properties["ckptrace_invariant"] == "no-error"
    assert properties["ckptrace_seed"] == "1"
    assert properties["ckptrace_trace"] == str(sessions.kept[0])
    assert {"ckptrace_schedules", "ckptrace_schedules_per_second", "ckptrace_coverage"} < properties.keys()
    assert "step  node 0: rank 0" in (case.find("failure").text or "")  # type: ignore[union-attr]


def test_lanes_are_drawn_in_characters_that_the_terminal_has(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    sessions.write(RACY)
    result = sessions.run_apart()
    result.stdout.fnmatch_lines(["B   16  0  |  rename   tmp-checkpoint-1 -> checkpoint-1 *"])
