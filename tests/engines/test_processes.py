"""What only processes can do: crash, own their globals, leave nobody behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from simulator.boundary import installed
from simulator.engines.channel import Channel, Gone, Silent
from simulator.engines.process import torchrun_environment
from simulator.engines.processes import process_engine, template_for
from simulator.engines.programs import RankPrograms
from simulator.engines.template import Template
from simulator.engines.transfer import packed, unpacked
from simulator.errors import CannotDo, Escape, RankKilled
from simulator.filesystems import PosixModel
from simulator.rank import Rank
from simulator.run import execute
from simulator.schedulers.random_walk import RandomWalk
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from tests.engines.jobs import ROOT, endings, events, returned, run

both = pytest.mark.parametrize("engine", ["processes", "disk"])
COUNTER = [0]
LIBC = ctypes.CDLL(None)


@both
def test_module_globals_belong_to_each_rank(engine: str) -> None:
    def program(rank: Rank) -> int:
        COUNTER[0] += 1
        rank.barrier()
        return COUNTER[0]

    assert returned(run(engine, [program] * 3)) == [1, 1, 1]
    assert COUNTER == [0]
    assert returned(run("greenlets", [program] * 3)) == [3, 3, 3], "shared there, as the engine says"
    COUNTER[0] = 0


@both
def test_each_attempt_starts_from_the_template(engine: str) -> None:
    def program(rank: Rank) -> int:
        COUNTER[0] += 1
        return COUNTER[0]

    found = run(engine, [program], restarts=2)
    assert [attempt.endings[0].value for attempt in found.attempts] == [1, 1, 1]


@pytest.mark.parametrize("engine", ["greenlets", "processes", "disk"])
def test_each_rank_has_an_environment_of_its_own(engine: str) -> None:
    def program(rank: Rank) -> Any:
        wanted = torchrun_environment(rank.index, 4, 2, 0)
        found = {name: os.environ[name] for name in wanted}
        os.environ["MINE"] = str(rank.index)
        os.umask(0o077 if rank.index == 0 else 0o022)
        os.makedirs(f"home{rank.index}")
        os.chdir(f"home{rank.index}")
        rank.barrier()
        Path("file").touch()
        mode = Path("file").stat().st_mode & 0o777
        return found == wanted, os.environ["MINE"], oct(mode), os.getcwd()

    assert returned(run(engine, [program] * 4, nodes=2)) == [
        (True, str(rank), "0o600" if rank == 0 else "0o644", f"{ROOT}/home{rank}") for rank in range(4)
    ]


def test_libraries_written_in_c_see_the_environment_too() -> None:
    def program(rank: Rank) -> Any:
        getenv = ctypes.CDLL(None).getenv
        getenv.restype = ctypes.c_char_p
        return getenv(b"RANK")

    assert returned(run("processes", [program] * 2)) == [b"0", b"1"]


def _segfault() -> None:
    ctypes.string_at(0)


@both
@pytest.mark.parametrize(
    ("crash", "text"),
    [
        (lambda: LIBC.kill(LIBC.getpid(), signal.SIGKILL), "its process was killed by SIGKILL"),
        (_segfault, "its process was killed by SIGSEGV"),
        (lambda: LIBC._exit(7), "its process ended by itself, with exit code 7"),
    ],
    ids=["killed", "segfault", "exit"],
)
def test_a_process_that_dies_by_itself_is_an_ending_with_a_reason(engine: str, crash: Any, text: str) -> None:
    def program(rank: Rank) -> str:
        (rank.root / f"file{rank.index}").touch()
        if rank.index == 1:
            crash()
        return "alive"

    found = endings(run(engine, [program] * 3))
    assert [found[rank].value for rank in (0, 2)] == ["alive", "alive"]
    assert (type(found[1].error).__name__, str(found[1].error)) == ("ProcessDied", text)


@both
def test_a_background_task_that_crashes_takes_its_rank_along(engine: str) -> None:
    def program(rank: Rank) -> None:
        rank.background(_segfault)
        rank.barrier()

    found = endings(run(engine, [program]))
    assert "SIGSEGV" in str(found[0].error)


@both
def test_a_rank_that_computes_for_ever_ends_the_run_as_incomplete(engine: str) -> None:
    def program(rank: Rank) -> None:
        (rank.root / "file").touch()
        while True:
            pass

    found = run(engine, [program], seconds=0.2)
    assert found.violation is None
    assert "the wall time is used up; rank 0 was at " in str(found.incomplete)
    assert "test_processes.py" in str(found.incomplete)


@both
def test_an_escape_in_a_rank_ends_the_run(engine: str, tmp_path: Path) -> None:
    def program(rank: Rank) -> None:
        with suppress(Escape):
            (tmp_path / "real").touch()

    with pytest.raises(Escape, match=r"rank 0 reached past the simulation.*real"):
        run(engine, [program])
    assert not (tmp_path / "real").exists()


@both
def test_what_cannot_be_sent_has_something_that_stands_for_it(engine: str) -> None:
    found = returned(run(engine, [lambda rank: (number for number in range(3))]))
    assert "generator that cannot be sent" in repr(found[0])


class Refused(ValueError):
    """An error whose class does not make an equal one from its arguments."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} was refused: {why}")


@both
def test_errors_come_back_with_their_class_text_and_place(engine: str) -> None:
    class Local(KeyError):
        pass

    errors: list[BaseException] = [
        FileNotFoundError(2, "No such file or directory", "a", None, "b"),
        Refused("the file", "no reason"),
        Local("key"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        ExceptionGroup("several", [ValueError("one")]),
        AssertionError(),
    ]

    def program(rank: Rank) -> None:
        raise errors[rank.index]

    found = endings(run(engine, [program] * len(errors)))
    for rank, raised in enumerate(errors):
        error = found[rank].error
        assert error is not None
        assert type(error).__name__ == type(raised).__name__
        assert str(error) == str(raised)
        assert isinstance(error, type(raised).__mro__[1])
        assert "in program" in error.__notes__[0]
    assert isinstance(found[0].error, FileNotFoundError)
    assert (found[0].error.filename, found[0].error.filename2) == ("a", "b")


def test_an_error_of_a_module_that_only_the_rank_has_is_rebuilt_from_its_text() -> None:
    sent = packed(RankKilled("gone"))
    broken = type(sent)(sent.module, "Unknown", "OSError", "in words", 28, ["a note"], b"no pickle")
    error = unpacked(broken)
    assert isinstance(error, OSError)
    assert (type(error).__name__, str(error), error.errno, error.__notes__) == ("Unknown", "in words", 28, ["a note"])


def test_the_controller_may_do_the_same_run_twice_from_one_template() -> None:
    def program(rank: Rank) -> Any:
        (rank.root / f"{os.urandom(4).hex()}").touch()
        return sorted(os.listdir(rank.root)), os.getpid()

    ranks = RankPrograms((program,) * 2, 1, ROOT)
    with installed(), template_for(ranks) as template:
        runs = [
            execute(PosixModel(), lambda model, begin: process_engine(template, model, ranks, begin), scheduler)
            for scheduler in (RandomWalk(Random(1)), RandomWalk(Random(1)), TapeReplay(Tape()))
        ]
    assert events(runs[0]) == events(runs[1])
    assert returned(runs[0]) == returned(runs[1])


def test_a_module_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(CannotDo, match="no_such_module"):
        template_for(RankPrograms((lambda rank: None,), 1, ROOT), ["no_such_module"])


def test_a_template_can_be_closed_while_another_one_lives() -> None:
    def body(channel: Channel) -> None:
        channel.send(os.getpid())

    with Template(body, lambda: None) as first, Template(body, lambda: None) as second:
        first.close()
        worker = second.fork()
        assert isinstance(worker.channel.receive(), int)
        assert worker.wait() == 0


def test_a_channel_tells_silence_from_an_end() -> None:
    ours, theirs = Channel.pair()
    with pytest.raises(Silent):
        ours.receive(0.0)
    theirs.close()
    with pytest.raises(Gone):
        ours.receive(0.0)
    ours.close()


ORPHANS = """
    import os, sys, time
    from simulator.boundary import installed
    from simulator.engines.processes import process_engine, template_for
    from simulator.engines.programs import RankPrograms
    from simulator.filesystems import PosixModel

    def program(rank):
        (rank.root / "file").touch()

    ranks = RankPrograms((program,) * 3, 1, "/dev/null/ckptrace")
    with installed():
        template = template_for(ranks)
        engine = process_engine(template, PosixModel(), ranks)
        engine.start()
        print("started", flush=True)
        HOW
"""


@pytest.mark.parametrize("how", ["os.kill(os.getpid(), 9)", "raise MemoryError", "sys.exit(3)", "os._exit(0)", "pass"])
def test_no_process_outlives_the_controller(how: str) -> None:
    script = textwrap.dedent(ORPHANS).replace("HOW", how)
    # Every process that descends from the script holds the write end of this pipe: it ends when the last of them has.
    reader, writer = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-c", script], pass_fds=[writer], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    os.close(writer)
    with os.fdopen(reader, "rb") as end:
        assert end.read() == b""
    output, _ = child.communicate()
    assert output == b"started\n"
