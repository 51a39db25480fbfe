"""Background tasks, sleep, file locks, kills and the ways in which a rank ends, by every engine alike."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from simulator.engines.conditions import Conditions
from simulator.filesystems import PosixModel
from simulator.rank import Rank
from simulator.schedulers.random_walk import RandomWalk
from simulator.tape import Tape
from tests.engines.jobs import empty_directory, endings, engine_factory, events, every_engine, returned, run, seen


@every_engine
def test_a_background_task_is_scheduled_like_a_rank(engine: str) -> None:
    def program(rank: Rank) -> Any:
        def save() -> str:
            (rank.root / "saved").touch()
            return "done"

        handle = rank.background(save)
        early = handle.done()
        seen = [path.name for path in rank.root.iterdir()]
        return early, seen, handle.wait(), handle.done(), [path.name for path in rank.root.iterdir()]

    undisturbed = returned(run(engine, [program]))
    assert undisturbed == [(False, [], "done", True, ["saved"])]
    # After the rank's first operation (none yet), task 1 of one rank is its background task.
    background_first = Tape({(0, "schedule", -1, 0): 2})
    assert returned(run(engine, [program], background_first)) == [(False, ["saved"], "done", True, ["saved"])]


@every_engine
def test_waiting_for_a_background_task_raises_what_it_raised(engine: str) -> None:
    def program(rank: Rank) -> str:
        handle = rank.background(lambda: os.rmdir(rank.root / "nothing"))
        try:
            handle.wait()
        except FileNotFoundError as error:
            return str(error)
        return "no error"

    assert returned(run(engine, [program])) == ["[Errno 2] No such file or directory: '/dev/null/ckptrace/nothing'"]


@every_engine
def test_a_process_lives_until_its_last_task_has_ended(engine: str) -> None:
    def program(rank: Rank) -> None:
        file = open(rank.root / "log", "w")  # noqa: SIM115

        def write() -> None:
            os.stat(rank.root)
            file.write("written after the main task had returned")
            file.close()

        rank.background(write)

    def reader(rank: Rank) -> str:
        text = ""
        while not text:
            time.sleep(1)
            text = (rank.root / "log").read_text() if (rank.root / "log").exists() else ""
        return text

    found = run(engine, [program, reader], scheduler=RandomWalk(Random(0)))
    assert returned(found)[1] == "written after the main task had returned"


@every_engine
def test_sleep_moves_the_clock_and_lets_others_go(engine: str) -> None:
    def waits(rank: Rank) -> float:
        started = time.time()
        while not (rank.root / "ready").exists():
            time.sleep(0.5)
        return time.time() - started

    def makes(rank: Rank) -> None:
        for _ in range(4):
            rank.root.stat()
        (rank.root / "ready").touch()

    # After each of its sleeps the sleeper goes on by default, so the tape has to let the other one go.
    tape = Tape({(0, "schedule", 0, n): 2 for n in (2, 4, 6)})
    waited, _ = returned(run(engine, [waits, makes], tape))
    assert 0.5 <= waited < 1


@every_engine
def test_a_locked_file_makes_a_rank_wait_until_it_is_free(engine: str) -> None:
    def program(rank: Rank) -> None:
        with open(rank.root / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert not (rank.root / "inside").exists()
            (rank.root / "inside").touch()
            (rank.root / "inside").unlink()
            if rank.index == 1:
                fcntl.flock(lock, fcntl.LOCK_UN)

    for seed in range(4):
        found = run(engine, [program] * 3, scheduler=RandomWalk(Random(seed)))
        assert returned(found) == [None] * 3
        again = run(engine, [program] * 3, found.tape)
        assert seen(again) == seen(found), "a wait for a lock has no place of its own on the tape"


@every_engine
def test_two_ranks_that_hold_what_the_other_wants_are_said_to_wait(engine: str) -> None:
    def program(rank: Rank) -> None:
        names = ["a", "b"] if rank.index == 0 else ["b", "a"]
        held = [open(rank.root / name, "w") for name in names]  # noqa: SIM115
        fcntl.flock(held[0], fcntl.LOCK_EX)
        rank.barrier()
        fcntl.flock(held[1], fcntl.LOCK_EX)

    with engine_factory(engine, [program] * 2) as factory:
        job = factory(PosixModel(), Conditions(0))
        try:
            job.start()
            while job.ready:
                job.grant(job.ready[0])
            assert job.waiting() == {0: "file lock", 1: "file lock"}
            job.kill(1)
            assert list(job.ready) == [0], "the dead hold no lock"
        finally:
            job.close()


@every_engine
@pytest.mark.parametrize("n", range(5))
def test_a_killed_rank_stops_between_two_operations(engine: str, n: int) -> None:
    def program(rank: Rank) -> None:
        with open(rank.root / "data", "wb") as file:
            file.write(b"lost in the buffer")
            os.mkdir(rank.root / "one")
            try:
                os.mkdir(rank.root / "two")
            finally:
                os.mkdir(rank.root / "three")

    def survivor(rank: Rank) -> Any:
        names = os.listdir(rank.root)
        return names, "data" in names and (rank.root / "data").read_bytes()

    kill = Tape({(0, "kill", 0, n): 1, (0, "end", -1, 0): 100})
    found = run(engine, [program, survivor], kill)
    assert endings(found)[0].killed
    operations = [event.kind for event in events(found)[0] if event.rank == 0]
    assert len(operations) == n
    names, content = endings(found)[1].value
    assert names == sorted(["data", "one", "two", "three"][:n])
    assert not content, "what nobody had flushed dies with the rank"


@every_engine
def test_a_node_dies_with_all_its_ranks_and_the_next_attempt_finds_what_is_left(engine: str) -> None:
    def program(rank: Rank) -> list[str]:
        (rank.root / f"{rank.attempt}-{rank.index}").touch()
        rank.barrier()
        return sorted(os.listdir(rank.root))

    kill = Tape({(0, "kill", 1, 1): 2})
    found = run(engine, [program] * 4, kill, nodes=2, restarts=1)
    first, second = found.attempts
    assert first.died
    assert [rank for rank, ending in first.endings.items() if ending.killed] == [0, 1]
    assert {ending.value[0] for ending in second.endings.values()} == {"0-0"}


@every_engine
@pytest.mark.parametrize(("code", "error"), [(0, None), (None, None), (3, "3"), ("broken", "broken")])
def test_an_exit_without_an_error_is_no_error(engine: str, code: Any, error: str | None) -> None:
    ending = endings(run(engine, [lambda rank: sys.exit(code)]))[0]
    assert (None if ending.error is None else str(ending.error)) == error


@every_engine
def test_files_that_an_error_leaves_open_close_in_the_rank_that_opened_them(engine: str) -> None:
    def program(rank: Rank) -> None:
        file = open(rank.root / f"file{rank.index}", "w")  # noqa: SIM115
        file.write("flushed when the file is closed")
        raise ValueError(f"from rank {rank.index}")

    found = run(engine, [program] * 2)
    for rank in (0, 1):
        kinds = [event.kind for event in events(found)[0] if event.rank == rank]
        assert kinds[-2:] == ["write", "close"]
        error = endings(found)[rank].error
        assert isinstance(error, ValueError)
        assert error.__traceback__ is None
        assert "in program" in "\n".join(error.__notes__)


@every_engine
def test_a_caught_error_lets_go_of_the_files_of_its_frames(engine: str) -> None:
    def fails(rank: Rank) -> None:
        file = open(rank.root / "file", "w")  # noqa: SIM115
        file.write("x")
        os.rmdir(rank.root / "nothing")

    def program(rank: Rank) -> int:
        with suppress(OSError):
            fails(rank)
        return (rank.root / "file").stat().st_size

    assert returned(run(engine, [program])) == [1]


def test_the_next_attempt_begins_after_the_last_one() -> None:
    def program(rank: Rank) -> float:
        rank.process.elapse(7200)
        (rank.root / f"{rank.attempt}").touch()
        return max(path.stat().st_mtime for path in rank.root.iterdir())

    found = run("greenlets", [program], restarts=1)
    times = [attempt.endings[0].value for attempt in found.attempts]
    assert times[1] > times[0] + 7200


@every_engine
def test_times_of_files_are_on_the_clock_of_the_ranks(engine: str) -> None:
    def program(rank: Rank) -> list[float]:
        (rank.root / f"lock{rank.attempt}").touch()
        time.sleep(3600)
        (rank.root / f"lock{rank.attempt}").chmod(0o600)
        status = [path.stat() for path in sorted(rank.root.iterdir())]
        return [round(time.time() - each) for s in status for each in (s.st_mtime, s.st_ctime)]

    found = run(engine, [program], restarts=1, ticking=True)
    ages = [attempt.endings[0].value for attempt in found.attempts]
    assert ages[0] == [3600, 0]
    assert ages[1][2:] == [3600, 0]
    assert ages[1][0] - ages[1][1] == 3600


def test_directories_of_tests_are_removed() -> None:
    with empty_directory() as directory:
        (directory / "sub").mkdir(mode=0)
    assert not directory.exists()


@every_engine
def test_the_line_that_raised_is_kept_whoever_raised_it(engine: str) -> None:
    first = sys._getframe().f_lineno + 3

    def program(rank: Rank) -> None:
        os.rmdir(rank.root / "nothing") if rank.index == 0 else json.loads("{")

    def waits(rank: Rank) -> None:
        def work() -> None:
            os.stat(rank.root)
            raise KeyError(rank.index)

        rank.background(work).wait()

    found = run(engine, [program, program, waits]).attempts[0].endings
    lines = [first, first, first + 5]
    assert [found[rank].site for rank in range(3)] == [f"{__file__}:{line}" for line in lines]
