"""Files of a rank behave as Python's files do, and a dead rank's files touch nothing."""

from __future__ import annotations

import gc
import io
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from simulator.boundary import installed
from simulator.errors import RankKilled
from simulator.operations import Close, Extent, Open, Operation, Write
from tests.boundary.direct import ROOT, DirectCaller, running

MODES = [
    "r", "w", "a", "x", "rb", "wb", "ab", "xb", "r+", "w+", "a+", "x+", "r+b", "w+b", "rb+", "ab+", "rt", "tw",
]  # fmt: skip


def shape(file: Any) -> Any:
    """What can be seen of an open file."""
    with file:
        raw = getattr(getattr(file, "buffer", file), "raw", getattr(file, "raw", file))
        return (
            file.__class__.__name__, os.path.basename(file.name), file.mode, raw.mode, file.readable(), file.writable(),
            file.seekable(), file.isatty(), file.tell(), file.closed, raw.closefd, isinstance(raw, io.RawIOBase),
            isinstance(raw, io.FileIO),
            isinstance(file, io.IOBase), getattr(file, "encoding", None), getattr(file, "line_buffering", None),
            getattr(file, "newlines", None),
        )  # fmt: skip


def attempt(call: Callable[[], Any]) -> Any:
    try:
        return shape(call())
    except (OSError, ValueError, TypeError, LookupError) as error:
        return type(error), getattr(error, "errno", None), str(error).replace(ROOT, "").partition(": '")[0]


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    "options",
    [{}, {"buffering": 0}, {"buffering": 1}, {"buffering": 3}, {"encoding": "utf-16"}, {"encoding": "no such"},
     {"newline": "\n"}, {"errors": "replace"}, {"closefd": False}],
    ids=str,
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:line buffering:RuntimeWarning")
def test_every_mode_opens_as_in_cpython(caller: DirectCaller, tmp_path: Path, there: bool, options: Any) -> None:
    for mode in MODES:
        real, simulated = tmp_path / "f", Path(ROOT) / "f"
        expected = None
        for root in (real, simulated):
            with running(caller if root is simulated else None):
                if there:
                    root.write_bytes(b"0123456789")
                else:
                    root.unlink(missing_ok=True)
                found = attempt(lambda root=root: open(root, mode, **options))  # type: ignore[misc]  # noqa: B023, SIM115
            expected = found if root is real else expected
        assert (mode, found) == (mode, expected)


@pytest.mark.parametrize("mode", ["", "b", "rw", "U", "rU", "z", "rbt", "r++", "wa", "rr", None, 1])
def test_a_mode_that_is_none_is_refused_as_in_cpython(caller: DirectCaller, mode: Any) -> None:
    def refusal() -> Any:
        with pytest.raises((ValueError, TypeError)) as caught:
            open(os.devnull, mode)  # noqa: SIM115
        return caught.type, str(caught.value)

    expected = refusal()
    with running(caller):
        assert refusal() == expected


Step = tuple[str, int, bytes]
steps = st.tuples(
    st.sampled_from(["read", "write", "seek", "seek from the end", "tell", "truncate", "flush", "readline", "peek"]),
    st.integers(0, 30),
    st.binary(max_size=20),
)


@given(
    mode=st.sampled_from(["rb", "wb", "ab", "r+b", "w+b", "a+b"]),
    buffering=st.sampled_from([-1, 0, 2, 8]),
    program=st.lists(steps, max_size=15),
)
def test_reading_and_writing_mix_as_in_cpython(mode: str, buffering: int, program: list[Step]) -> None:
    def run(path: Path) -> Any:
        path.write_bytes(b"line one\nline two\nline three")
        with open(path, mode, buffering) as file:
            seen = [step(file, *each) for each in program]
        return seen, path.read_bytes()

    with tempfile.TemporaryDirectory() as directory, installed():
        expected = run(Path(directory) / "f")
        with running(DirectCaller()):
            assert run(Path(ROOT) / "f") == expected


def step(file: Any, action: str, number: int, data: bytes) -> Any:
    actions: dict[str, Callable[[], Any]] = {
        "read": lambda: file.read(number - 1),
        "write": lambda: file.write(data),
        "seek": lambda: file.seek(number),
        "seek from the end": lambda: file.seek(-number, os.SEEK_END),
        "tell": file.tell,
        "truncate": lambda: file.truncate(number) if number else file.truncate(),
        "flush": file.flush,
        "readline": file.readline,
        "peek": lambda: hasattr(file, "peek") and file.peek(1)[:1],
    }
    try:
        return actions[action]()
    except (OSError, ValueError) as error:
        return type(error), getattr(error, "errno", None)


def test_descriptors_become_files_and_files_have_descriptors(caller: DirectCaller) -> None:
    with running(caller):
        fd = os.open("f", os.O_RDWR | os.O_CREAT)
        assert fd >= 1 << 30
        with os.fdopen(fd, "w+", closefd=False) as file:
            assert (file.fileno(), file.name) == (fd, fd)
            file.write("one")
        with open(fd, "rb") as binary:
            assert os.lseek(binary.fileno(), 0, os.SEEK_SET) == 0
            assert binary.read() == b"one"
        with pytest.raises(OSError, match="Bad file descriptor"):
            open(fd)  # noqa: SIM115
        with open("g", "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as made:
            made.write("two")
        assert os.stat("g").st_mode & 0o777 == 0o600
        with io.FileIO("f") as raw, io.open_code(f"{ROOT}/g") as code:
            assert (raw.read(), code.read()) == (b"one", b"two")


def test_closed_files_say_so(caller: DirectCaller) -> None:
    with running(caller):
        file = open("f", "wb", 0)  # noqa: SIM115
        file.close()
        file.close()
        assert caller.kinds() == ["Open", "Close"]
        calls = [file.fileno, file.isatty, file.readable, file.writable, file.seekable, file.tell, file.readall]
        for call in [*calls, lambda: file.write(b""), lambda: file.seek(0), lambda: file.truncate()]:
            with pytest.raises(ValueError, match="closed file"):
                call()
        assert repr(file) == "<_io.FileIO [closed]>"


def test_a_directory_is_no_file(caller: DirectCaller) -> None:
    with running(caller):
        os.mkdir("d")
        for mode in ("r", "rb"):
            with pytest.raises(IsADirectoryError, match=r"\[Errno 21\] Is a directory: 'd'"):
                open("d", mode)  # noqa: SIM115
        assert type(os.open("d", os.O_RDONLY)) is int
        with open("f", "w") as file:
            file.write("no directory, though it has the descriptor that one had")
        with pytest.raises(IsADirectoryError, match="'d'"):
            open("d", "w")  # noqa: SIM115


def test_a_size_without_bytes_can_be_written(caller: DirectCaller) -> None:
    with running(caller):
        fd = os.open("f", os.O_WRONLY | os.O_CREAT)
        assert os.write(fd, Extent(10**12)) == 10**12  # type: ignore[arg-type]
        assert os.fstat(fd).st_size == 10**12
        with open("g", "wb", 0) as file:
            assert file.write(Extent(5)) == 5  # type: ignore[arg-type]


class Dying(DirectCaller):
    """A rank that is killed at its n-th operation."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last

    def perform(self, operation: Operation) -> Any:
        if len(self.operations) >= self.last:
            raise RankKilled
        return super().perform(operation)


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_what_a_killed_rank_had_not_flushed_is_lost(caller: DirectCaller, mode: str) -> None:
    rank = Dying(last=1)
    files = []

    def save() -> None:
        with open("f", mode) as file:
            files.append(file)
            file.write(b"lost" if mode == "wb" else "lost")
            os.mkdir("never")

    with running(rank), pytest.raises(RankKilled):
        save()
    gc.collect()
    assert [type(operation) for operation in rank.operations] == [Open]
    assert files[0].closed


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # since 3.13 the error is shown
@pytest.mark.parametrize("end", ["closed", "collected"])
@pytest.mark.parametrize("whose", ["nobody", "another rank"])
def test_a_file_that_ends_in_anothers_name_touches_nothing(caller: DirectCaller, end: str, whose: str) -> None:
    other = DirectCaller(rank=1)
    with running(caller):
        file: Any = open("f", "w")  # noqa: SIM115
        file.write("not flushed")
    with running(other if whose == "another rank" else None):
        if end == "collected":
            del file
        elif whose == "nobody":
            file.close()
        else:
            with pytest.raises(OSError, match="Bad file descriptor"):
                file.close()
    assert [type(operation) for operation in caller.operations] == [Open]
    assert other.operations == []


def test_a_file_that_nobody_closes_is_closed_when_it_is_dropped(caller: DirectCaller) -> None:
    with running(caller):
        open("f", "w").write("x")  # noqa: SIM115
    assert [type(operation) for operation in caller.operations] == [Open, Write, Close]
