"""What a real program must do again for a schedule to mean the same, what need not repeat, and what is said if not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from simulator.campaigns.command.record import trace_of
from simulator.campaigns.command.repeating import difference
from simulator.campaigns.command.replaying import replay
from simulator.campaigns.command.search import search
from simulator.cli.application import run as ckptrace
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from simulator.trace import Event
from tests.interposition.kernel import holds
from tests.interposition.programs import experiment, program

EIGHT_THREADS = """
    import threading
    def write(number):
        place = os.path.join(root, f"shard-{rank}-{number}")
        with open(place + ".tmp", "wb") as file:
            file.write(b"weights")
        os.rename(place + ".tmp", place)
    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
MOVED_FROM_ELSEWHERE = """
    import tempfile
    handle, name = tempfile.mkstemp(dir=os.path.dirname(root))
    os.write(handle, b"weights")
    os.close(handle)
    os.rename(name, os.path.join(root, f"shard-{rank}"))
"""
A_DIGIT_MORE = """
    with open(os.path.join(root, f"state-{rank}.json"), "w") as file:
        file.write("1" * (1 + time.time_ns() // 1000 % 7))
    os.stat(file.name)
"""
DRAWN_OTHERWISE = """
    name = "".join("%d-" % byte for byte in os.urandom(16))
    os.mkdir(os.path.join(root, name))
    os.listdir(root)
    os.rmdir(os.path.join(root, name))
"""
DIFFERENT = """
    for number in range(1 + os.urandom(1)[0]):
        os.mkdir(os.path.join(root, f"{rank}-{number}"))
"""


@holds
@pytest.mark.parametrize(
    "body",
    [EIGHT_THREADS, MOVED_FROM_ELSEWHERE, A_DIGIT_MORE, DRAWN_OTHERWISE],
    ids=["threads", "moved from elsewhere", "a digit more", "drawn otherwise"],
)
def test_what_differs_without_meaning_anything_is_no_part_of_what_must_repeat(tmp_path: Path, body: str) -> None:
    with experiment(tmp_path, body) as under_test:
        result = search(under_test, schedules=3)
    assert result.verdict == "clean"
    assert not result.warnings


@holds
def test_threads_are_tasks_in_an_order_of_their_own_whoever_comes_first(tmp_path: Path) -> None:
    with experiment(tmp_path, EIGHT_THREADS) as under_test:
        runs = [under_test.run(TapeReplay(Tape())) for _ in range(4)]
    orders = [[(step.task, step.operation) for step in run.attempts[0].steps] for run in runs]
    assert all(order == orders[0] for order in orders)


@holds
def test_a_program_that_does_something_else_is_sampled_and_the_result_says_where(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script, watched = program(tmp_path, DIFFERENT), str(tmp_path / "out")
    written = tmp_path / "result.json"
    options = ["--watch", watched, "--schedules", "3", "--json", str(written), "--out", str(tmp_path / "kept")]
    assert ckptrace(["run", *options, "--", sys.executable, script, watched]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "clean" in said
    assert "warning: two runs of the undisturbed tape differ in attempt 0 at step" in said
    table = json.loads(written.read_text())
    assert table["schedules"] == 3
    assert table["warnings"][0].startswith("two runs of the undisturbed tape differ")


@holds
def test_a_replay_follows_its_recording_whatever_names_were_drawn(tmp_path: Path) -> None:
    with experiment(tmp_path, DRAWN_OTHERWISE) as under_test:
        recorded = trace_of(under_test, under_test.run(TapeReplay(Tape())))
    again = replay(recorded, strict=True)
    assert again.digest != recorded.digest
    assert again.followed is None


def event(kind: str, *arguments: object, task: int = 0, result: object = None) -> Event:
    return Event(0, task, 0, kind, list(arguments), result)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ([event("mkdir", "a"), event("rmdir", "a")], [event("mkdir", "b"), event("rmdir", "a")]),
        ([event("mkdir", "a"), event("rmdir", "b")], [event("mkdir", "c"), event("rmdir", "c")]),
        ([event("mkdir", "a")], [event("rmdir", "a")]),
        ([event("readdir", "", result=[["a", 1]])], [event("readdir", "", result=[])]),
        ([event("stat", "a", result=["-rw-------", 1])], [event("stat", "a", result=["drwx------", None])]),
        ([event("close", "fd0"), event("close", "fd1")], [event("close", "fd1"), event("close", "fd1")]),
    ],
)
def test_a_thing_has_one_name_in_each_run(here: list[Event], there: list[Event]) -> None:
    _, differing = difference([here], [there])
    assert differing is not None
    assert difference([here], [here]) == (len(here), None)
