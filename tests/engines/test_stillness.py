"""A thread that wakes up by itself is told from one that works, by how it waits and how often it has run."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from simulator.engines.command.stillness import Stillness
from simulator.interposition.threads import Thread, thread_at
from simulator.interposition.time_limits import waits_for_a_time
from tests.interposition.kernel import holds

pytestmark = holds


@contextmanager
def waiting(in_a_call: Callable[[int], object]) -> Iterator[int]:
    """A thread in a call that waits for a pipe, by its number."""
    reader, writer = os.pipe()
    numbers: list[int] = []

    def wait() -> None:
        numbers.append(threading.get_native_id())
        in_a_call(reader)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        while not numbers or not _sleeps(numbers[0]):
            os.sched_yield()
        yield numbers[0]
    finally:
        os.write(writer, b".")
        thread.join()
        os.close(reader)
        os.close(writer)


def _sleeps(number: int) -> bool:
    """Whether it is in the call: not merely waiting for the interpreter's lock, which has a time limit of its own."""
    with open(f"/proc/self/task/{number}/syscall", encoding="ascii") as file:
        words = file.read().split()
    now = thread_at(os.getpid(), number)
    return now is not None and now.sleeps and words[0] not in ("running", "202", "98")


def polled(reader: int, milliseconds: int | None) -> object:
    polling = select.poll()
    polling.register(reader, select.POLLIN)
    return polling.poll(milliseconds)


def epolled(reader: int, seconds: float) -> object:
    with select.epoll() as polling:
        polling.register(reader, select.EPOLLIN)
        return polling.poll(seconds)


@pytest.mark.parametrize(
    ("call", "limited"),
    [
        (lambda reader: select.select([reader], [], [], 3600), True),
        (lambda reader: select.select([reader], [], []), False),
        (lambda reader: polled(reader, 3_600_000), True),
        (lambda reader: polled(reader, None), False),
        (lambda reader: epolled(reader, 3600), True),
        (lambda reader: epolled(reader, -1), False),
        (lambda reader: os.read(reader, 1), False),
    ],
    ids=["select for", "select", "poll for", "poll", "epoll for", "epoll", "read"],
)
def test_a_time_limit_is_seen(call: Callable[[int], object], limited: bool) -> None:
    with waiting(call) as thread:
        assert waits_for_a_time(thread) is limited


def test_a_thread_that_is_gone_has_no_time_limit() -> None:
    assert not waits_for_a_time(2**22 + 1)


@pytest.fixture(scope="module")
def limited() -> Iterator[int]:
    with waiting(lambda reader: select.select([reader], [], [], 3600)) as thread:
        yield thread


@pytest.fixture(scope="module")
def unlimited() -> Iterator[int]:
    with waiting(lambda reader: os.read(reader, 1)) as thread:
        yield thread


def looks(thread: int, *counts: int, awaited: frozenset[int] = frozenset()) -> list[bool]:
    """What looks say that follow each other at once, by how often the thread had run."""
    stillness = Stillness()
    return [stillness.look({0: {thread: Thread("S", (count, 0))}}, awaited) for count in counts]


def test_who_has_not_run_is_still(unlimited: int) -> None:
    assert looks(unlimited, 1, 1) == [False, True]


def test_who_wakes_up_by_itself_is_still_at_the_second_time(limited: int) -> None:
    assert looks(limited, 1, 2, 3, 4) == [False, False, True, True]


def test_who_waits_for_somebody_has_run(unlimited: int) -> None:
    assert looks(unlimited, 1, 2, 3, 4) == [False] * 4


def test_who_is_awaited_has_run(limited: int) -> None:
    assert looks(limited, 1, 2, 3, 4, awaited=frozenset({limited})) == [False] * 4


def test_who_ran_often_had_something_to_do(limited: int) -> None:
    assert looks(limited, 1, 1_000_000, 2_000_000, 3_000_000) == [False] * 4


def test_a_new_thread_and_one_that_is_gone_are_seen(unlimited: int) -> None:
    stillness = Stillness()
    here = Thread("S", (1, 0))
    given = [{0: {unlimited: here}}, {0: {unlimited: here, 1: here}}, {0: {unlimited: here}}, {}]
    assert [stillness.look(each, ()) for each in given] == [False] * 4
