"""Ranks that sleep and look again: for the others' server before their first call is held, and for their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator.campaigns.command.search import search
from simulator.engines.canonical import event_of
from simulator.operations import Sleep, paths_of
from simulator.run import Run
from simulator.scenario import Budgets
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from simulator.trace import digest_of
from tests.interposition.kernel import holds
from tests.interposition.programs import experiment

pytestmark = holds

SERVER_LATER = """
    if rank == 0:
        os.mkdir(os.path.join(root, "a"))
        os.mkdir(os.path.join(root, "b"))
    meet()
    os.mkdir(os.path.join(root, f"c-{rank}"))
"""
STORE_LATER = """
    import torch.distributed as dist
    if rank == 0:
        os.mkdir(os.path.join(root, "a"))
        os.mkdir(os.path.join(root, "b"))
    dist.init_process_group("gloo")
    os.mkdir(os.path.join(root, f"c-{rank}"))
"""
FILE_LATER = """
    done = os.path.join(root, "done")
    if rank == 0:
        for n in range(5):
            os.mkdir(os.path.join(root, str(n)))
        os.mkdir(done)
    else:
        while not os.path.exists(done):
            time.sleep(3600)
        os.rmdir(done)
"""
IN_VAIN = """
    while not os.path.exists(os.path.join(root, f"from-{1 - rank}")):
        time.sleep(0.001)
"""

SAVES_LATER = """
    import threading
    def save():
        time.sleep(0.5)
        os.mkdir(os.path.join(root, f"late-{rank}"))
    os.mkdir(os.path.join(root, f"early-{rank}"))
    thread = threading.Thread(target=save)
    thread.start()
    thread.join()
"""

BESIDE_POLLERS = """
    import select, threading
    def wake():
        while True:
            select.select([], [], [], 0.01)
    for _ in range(10):
        threading.Thread(target=wake, daemon=True).start()
    for n in range(3):
        os.mkdir(os.path.join(root, f"{rank}-{n}"))
"""
"""As gloo's threads do: with four ranks, one of them wakes up every quarter of a millisecond."""

BACKING_OFF = """
    import ctypes, threading
    library = ctypes.CDLL(None)
    def nanosleep(microseconds):
        library.nanosleep((ctypes.c_long * 2)(0, microseconds * 1000), None)
    def clock_nanosleep(microseconds):
        library.clock_nanosleep(time.CLOCK_MONOTONIC, 0, (ctypes.c_long * 2)(0, microseconds * 1000), None)
    def futex(microseconds):
        threading.Event().wait(microseconds / 1e6)
    os.listdir(root)
    released, taken = threading.Event(), threading.Event()
    def contend():
        while not released.is_set():
            SLEEP(10)
        taken.set()
    threading.Thread(target=contend).start()
    for _ in range(3):
        SLEEP(1000)
    released.set()
    taken.wait()
    os.mkdir(os.path.join(root, str(rank)))
"""
"""As threads of XLA do when one waits for another's lock: the one sleeps for 10 microseconds, the other for 1,000."""


def digest(run: Run) -> str:
    assert run.violation is None
    assert run.incomplete is None
    return digest_of([[event_of(step) for step in attempt.steps] for attempt in run.attempts])


@pytest.mark.parametrize(
    ("body", "arm"),
    [(SERVER_LATER, "late"), (SERVER_LATER, "start"), (STORE_LATER, "late")],
    ids=["sockets", "sockets from the start", "gloo"],
)
def test_who_waits_for_a_server_before_any_call_is_held_lets_its_host_go_on(
    tmp_path: Path, body: str, arm: str
) -> None:
    with experiment(tmp_path, body, arm=arm, silence=30) as under_test:
        digests = {digest(under_test.run(TapeReplay(Tape()))) for _ in range(3)}
    assert len(digests) == 1


def test_sleeps_are_no_steps_and_take_no_time(tmp_path: Path) -> None:
    with experiment(tmp_path, FILE_LATER, silence=30) as under_test:
        run = under_test.run(TapeReplay(Tape()))
        assert run.violation is None
        assert run.incomplete is None
        assert not any(isinstance(step.operation, Sleep) for step in run.attempts[0].steps)
        assert search(under_test, schedules=10).verdict == "clean"


def test_ranks_that_look_for_each_other_in_vain_are_broken_off_at_the_limit(tmp_path: Path) -> None:
    with experiment(tmp_path, IN_VAIN, budgets=Budgets(operations=300)) as under_test:
        result = search(under_test, schedules=3)
    assert result.verdict == "incomplete"
    assert result.reason is not None
    assert "rank 0 is stat from-1" in result.reason


def test_a_thread_that_is_asleep_is_waited_for_before_a_job_is_said_to_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.engines.command.settling._GRACE", 0.02)
    with experiment(tmp_path, SAVES_LATER, silence=30) as under_test:
        run = under_test.run(TapeReplay(Tape()))
    assert run.violation is None
    assert run.incomplete is None
    assert [type(step.operation).__name__ for step in run.attempts[0].steps] == ["Mkdir", "Mkdir"] * 2


def test_threads_that_only_wake_up_again_and_again_do_not_keep_the_others_waiting(tmp_path: Path) -> None:
    with experiment(tmp_path, BESIDE_POLLERS, nodes=4, silence=30) as under_test:
        assert len({digest(under_test.run(TapeReplay(Tape()))) for _ in range(3)}) == 1


@pytest.mark.parametrize("sleep", ["nanosleep", "clock_nanosleep", "futex"])
def test_of_two_threads_that_sleep_and_look_again_each_has_its_turn(tmp_path: Path, sleep: str) -> None:
    with experiment(tmp_path, BACKING_OFF.replace("SLEEP", sleep), silence=10) as under_test:
        runs = [under_test.run(TapeReplay(Tape())) for _ in range(2)]
    assert len({digest(run) for run in runs}) == 1
    made = [(step.rank, paths_of(step.operation)) for step in runs[0].attempts[0].steps]
    assert made.index((0, ("0",))) < made.index((1, ("",))), "who backs off from a lock comes to its next call"


def test_sleeps_end_in_the_order_of_their_deadlines(tmp_path: Path) -> None:
    body = """
    import threading
    def sleep(name, seconds):
        time.sleep(seconds)
        os.mkdir(os.path.join(root, name))
    if rank == 0:
        threads = [threading.Thread(target=sleep, args=(str(s), s)) for s in (3000, 10, 300, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    """
    with experiment(tmp_path, body, arm="start", silence=30) as under_test:
        run = under_test.run(TapeReplay(Tape()))
    assert digest(run)
    names = [path for step in run.attempts[0].steps for path in paths_of(step.operation)]
    assert names == ["1", "10", "300", "3000"]
