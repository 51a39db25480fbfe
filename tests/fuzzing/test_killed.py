"""A process that fuzzes can be killed or stopped at any moment, and what it has told of stays."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from random import Random

import pytest

from tests.fuzzing.processes import (
    assert_nothing_told_is_lost,
    ended,
    files_below,
    shelves,
    start,
    wait_for_line,
    wait_until,
)
from tests.fuzzing.scenarios import PROGRAMS

BUGS = Path(__file__).parents[2] / "fixtures" / "corpus"
RACES = [BUGS / f"{name}.toml" for name in ("hf-27925-error", "hf-29336-error", "hf-36076-error")]


def kill_at_random_moments(directory: Path, moments: int, seed: int) -> int:
    """Kill a session when it has written so and so many files, or told so and so much; gives what it had told."""
    random = Random(seed)
    told = 0
    for number in range(moments):
        # Every second session goes on from what the one before has left.
        corpus = directory / f"corpus-{number // 2}"
        process = start(
            directory, *RACES, "--corpus", corpus.name, "--workers", "1", "--seed", str(number), "--no-confirm"
        )
        lines: list[str] = []
        if random.random() < 0.5:
            there = files_below(corpus)
            wanted = there + random.randrange(40)
            wait_until(process, lambda corpus=corpus, wanted=wanted: files_below(corpus) >= wanted)  # type: ignore[misc]
        else:
            lines = wait_for_line(process, random.choice(["found", "minimised"]), random.randrange(1, 8))
        assert process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        _, rest = ended(process)
        told += assert_nothing_told_is_lost(corpus, [*lines, *rest.splitlines(keepends=True)], directory)
    return told


def test_a_corpus_loads_and_holds_what_was_told_after_a_kill(tmp_path: Path) -> None:
    assert kill_at_random_moments(tmp_path, 3, seed=2) > 0


@pytest.mark.slow
def test_a_corpus_loads_and_holds_what_was_told_after_kills_at_twenty_moments(tmp_path: Path) -> None:
    assert kill_at_random_moments(tmp_path, 20, seed=1) > 40


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_ends_with_a_summary_and_the_next_session_goes_on(tmp_path: Path, workers: str) -> None:
    (tmp_path / "programs.py").write_text(PROGRAMS)
    racy = ("--program", "programs.py:racy", "--corpus", "corpus", "--workers", workers, "--no-confirm")
    process = start(tmp_path, *racy)
    lines = wait_for_line(process, "minimised")
    os.killpg(process.pid, signal.SIGINT)
    out, rest = ended(process)
    assert process.returncode == 1, rest
    assert "interrupted" in out
    assert out.startswith("violated")
    assert "Traceback" not in rest
    told = assert_nothing_told_is_lost(tmp_path / "corpus", [*lines, *rest.splitlines(keepends=True)], tmp_path)
    assert told >= 2
    [shelf] = shelves(tmp_path / "corpus").values()
    again = start(tmp_path, *racy, "--schedules", "1")
    out, rest = ended(again)
    assert f"and {len(shelf.found())} failure" in rest
    assert out.count("found in an earlier session") == len(shelf.found())


def test_a_failure_that_was_repaired_is_told_and_comes_back_when_it_does(tmp_path: Path) -> None:
    file = tmp_path / "programs.py"
    racy = ("--program", "programs.py:racy", "--corpus", "corpus", "--workers", "1", "--no-confirm")
    codes, outs = [], []
    repaired = PROGRAMS.replace("if staging.exists():", "if rank.index == 0:").replace("os.unlink(", "print(")
    for text in (PROGRAMS, repaired, "\n" + PROGRAMS):
        file.write_text(text)
        process = start(tmp_path, *racy, "--schedules", "25")
        out, _ = ended(process)
        codes.append(process.returncode)
        outs.append(out)
    assert codes == [1, 0, 1]
    assert "no longer fails" in outs[1]
    [shelf] = shelves(tmp_path / "corpus").values()
    assert outs[1].count("no longer fails") <= len(shelf.found())
    assert "found in an earlier session" in outs[2]
