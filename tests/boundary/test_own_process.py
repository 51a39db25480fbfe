"""What a rank's process has of its own: clock, randomness, identity, environment."""

from __future__ import annotations

import os
import platform
import random
import secrets
import socket
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from simulator.operations import Sleep
from tests.boundary.direct import ROOT, DirectCaller, running

START = 1_767_225_600_000_000_000


def test_every_clock_is_the_ranks(caller: DirectCaller) -> None:
    now = START // 10**9
    with running(caller):
        assert [clock() for clock in (time.time, time.monotonic, time.perf_counter, time.process_time)] == [now] * 4
        assert [clock() for clock in (time.time_ns, time.monotonic_ns, time.perf_counter_ns)] == [START] * 3
        assert time.clock_gettime(time.CLOCK_REALTIME) == now
        assert time.clock_gettime_ns(time.CLOCK_MONOTONIC) == START
        assert time.gmtime()[:6] == (2026, 1, 1, 0, 0, 0)
        assert time.localtime(0) == time.localtime(0.0)
        assert time.strftime("%Y", time.gmtime()) == time.strftime("%Y", time.gmtime(now)) == "2026"
        assert time.strftime("%s") == str(now)
        assert (time.ctime(), time.asctime()) == (time.ctime(now), time.asctime(time.localtime(now)))
    assert time.time() != now


def test_sleep_is_an_operation_and_moves_the_clock(caller: DirectCaller) -> None:
    with running(caller):
        before = time.monotonic()
        time.sleep(1000)
        time.sleep(0.5)
        assert time.monotonic() - before == pytest.approx(1000.5, abs=0.01)
        for bad, error in ((-1, ValueError), (float("nan"), ValueError), ("1", TypeError), (None, TypeError)):
            with pytest.raises(error):
                time.sleep(bad)  # type: ignore[arg-type]
    assert caller.operations == [Sleep(1000.0), Sleep(0.5)]


def drawn() -> list[Any]:
    numbers = [1, 2, 3, 4, 5]
    random.shuffle(numbers)
    return [
        os.urandom(8), os.getrandom(4), uuid.uuid4(), uuid.uuid1(), secrets.token_hex(4), random.random(),
        random.randint(0, 10**9), random.Random().random(), random.SystemRandom().random(), numbers,
        next(tempfile._get_candidate_names()), random.choices("abc", k=3), random.gauss(0, 1),  # type: ignore[attr-defined]
    ]  # fmt: skip


def test_randomness_is_a_function_of_the_rank(caller: DirectCaller) -> None:
    with running(caller):
        first = drawn()
    with running(DirectCaller()):
        again = drawn()
    with running(DirectCaller(rank=1)):
        other = drawn()
    assert first == again
    assert [mine == others for mine, others in zip(first, other, strict=True)] == [False] * len(first)
    assert first[3].time == START // 100 + 0x01B21DD213814000


def test_code_that_seeds_alike_gets_equal_numbers_but_not_equal_names(caller: DirectCaller) -> None:
    seen = []
    for rank in (caller, DirectCaller(rank=1)):
        with running(rank):
            random.seed(42)
            seen.append((random.random(), os.path.basename(tempfile.mkdtemp(dir=ROOT)), uuid.uuid4()))
            random.seed()
            state = random.getstate()
            random.setstate(state)
    assert seen[0][0] == seen[1][0] == random.Random(42).random()
    assert seen[0][1] != seen[1][1]
    assert seen[0][2] != seen[1][2]


def test_ranks_take_turns_without_disturbing_each_others_streams() -> None:
    from simulator.boundary import installed

    def names(order: list[int]) -> dict[int, list[str]]:
        ranks = [DirectCaller(rank=0), DirectCaller(rank=1)]
        found: dict[int, list[str]] = {0: [], 1: []}
        for number in order:
            with running(ranks[number]):
                found[number].append(os.path.basename(tempfile.mkdtemp(dir=ROOT)) + str(random.random()))
        return found

    with installed():
        assert names([0, 0, 1, 1]) == names([0, 1, 0, 1]) == names([1, 1, 0, 0])


def test_the_tools_randomness_is_left_alone(caller: DirectCaller) -> None:
    state = random.getstate()
    with running(caller):
        drawn()
        random.seed(1)
    assert random.getstate() == state


def test_identity(caller: DirectCaller) -> None:
    with running(DirectCaller(rank=3)):
        assert (os.getpid(), os.getppid()) == (4003, 1)
        assert (socket.gethostname(), platform.node(), os.uname().nodename) == ("node3",) * 3
        assert os.uname().sysname == platform.system()


def test_the_environment_is_the_ranks_through_every_reference(caller: DirectCaller) -> None:
    environ, environb = os.environ, os.environb
    before = dict(os.environ)
    with running(caller):
        assert dict(environ) == {"RANK": "0", "HOME": "/root"}
        environ["A"] = "1"
        environb[b"B"] = b"\xff"
        assert (os.getenv("A"), os.environ["B"], os.getenvb(b"B")) == ("1", "\udcff", b"\xff")
        assert "A" in environ
        assert len(environ) == 4
        del environ["A"]
        assert environ.get("A") is None
        assert environ.setdefault("C", "3") == "3"
        assert environ.pop("C") == "3"
        assert environ | {"D": "4"} == {**environ, "D": "4"}
        assert repr(environ) == "environ({'RANK': '0', 'HOME': '/root', 'B': '\\udcff'})"
        os.putenv("E", "5")
        os.unsetenv("E")
        assert os.path.expanduser("~") == "/root"
        for call in (lambda: environ["absent"], lambda: environ.__delitem__("absent")):
            with pytest.raises(KeyError, match="absent"):
                call()
        with pytest.raises(TypeError):
            environ["F"] = 6  # type: ignore[assignment]
    assert dict(os.environ) == before
    assert caller.environ == {"RANK": "0", "HOME": "/root", "B": "\udcff"}


def test_the_temporary_directory_is_the_ranks(caller: DirectCaller) -> None:
    real = tempfile.gettempdir()
    with running(caller):
        assert tempfile.gettempdir() == real
        os.mkdir("t")
        os.environ["TMPDIR"] = f"{ROOT}/t"
        assert tempfile.gettempdir() == f"{ROOT}/t"
        assert Path(tempfile.mkdtemp()).parent == Path(ROOT, "t")
    assert tempfile.gettempdir() == real


def test_a_rank_has_its_own_current_directory(caller: DirectCaller) -> None:
    other = DirectCaller(rank=1, model=caller.model)
    with running(caller):
        os.mkdir("d")
        os.chdir("d")
        Path("f").touch()
    with running(other):
        assert os.getcwd() == ROOT
        assert os.listdir() == ["d"]
    with running(caller):
        assert os.listdir() == ["f"]


def test_values_that_the_engine_makes_at_the_first_use_see_the_real_machine() -> None:
    """An engine may build a rank's environment from ``os.environ`` only when somebody asks for it."""
    from simulator.boundary import installed

    class Lazy(DirectCaller):
        @property
        def environ(self) -> dict[str, str]:
            return {**os.environ, "RANK": "9"}

        @environ.setter
        def environ(self, _: dict[str, str]) -> None: ...

    with installed(), running(Lazy()):
        assert os.environ["RANK"] == "9"
        assert os.environ["PATH"]
