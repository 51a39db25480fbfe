"""Errors have CPython's types, numbers, file names and texts."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.boundary.direct import ROOT, DirectCaller, running

ABSENT = "absent"


def forms(root: str) -> list[Any]:
    """Paths in every form, to what is not there and to what is of the wrong kind."""
    return [
        ABSENT, f"{root}/{ABSENT}", Path(root) / ABSENT, ABSENT.encode(), f"{ABSENT}/x", "f/x", Path("f/x"), "f/", "",
        "d/", "loop", "loop/x", "n" * 300, "a\0b", None, 1.5,
    ]  # fmt: skip


def late(name: str) -> Callable[..., Any]:
    """A function of ``os``, looked up when it is called: an original kept in a table would go past the boundary."""
    return lambda *arguments: getattr(os, name)(*arguments)


ONE: dict[str, Callable[[Any], Any]] = {
    **{name: late(name) for name in (
        "stat", "lstat", "listdir", "rmdir", "unlink", "remove", "mkdir", "readlink", "chdir", "utime"
    )},
    "scandir": lambda path: os.scandir(path).close(), "access": lambda path: os.access(path, os.W_OK),
    "chmod": lambda path: os.chmod(path, 0o700), "chown": lambda path: os.chown(path, 0, 0),
    "truncate": lambda path: os.truncate(path, 1),
    "open descriptor": lambda path: os.close(os.open(path, os.O_RDONLY)),
    "create exclusively": lambda path: os.close(os.open(path, os.O_CREAT | os.O_EXCL)),
    "open directory": lambda path: os.close(os.open(path, os.O_DIRECTORY)),
    "open for writing": lambda path: open(path, "w").close(),
    "open for reading": lambda path: os.path.isdir(path or "x") or open(path).close(),
}  # fmt: skip
TWO: dict[str, Callable[[Any, Any], Any]] = {name: late(name) for name in ("rename", "replace", "link", "symlink")}
DESCRIPTOR: dict[str, Callable[[Any], Any]] = {
    **{name: late(name) for name in (
        "fstat", "stat", "listdir", "scandir", "close", "fsync", "fdatasync", "dup", "utime", "statvfs", "isatty"
    )},
    "read": lambda fd: os.read(fd, 1),
    "write": lambda fd: os.write(fd, b"x"), "pread": lambda fd: os.pread(fd, 1, 0),
    "pwrite": lambda fd: os.pwrite(fd, b"x", 0), "lseek": lambda fd: os.lseek(fd, 0, 0),
    "ftruncate": lambda fd: os.ftruncate(fd, 1), "truncate": lambda fd: os.truncate(fd, 1),
    "chmod": lambda fd: os.chmod(fd, 0o700), "fchmod": lambda fd: os.fchmod(fd, 0o700),
    "flock": lambda fd: fcntl.flock(fd, fcntl.LOCK_EX),
    "stat below": lambda fd: os.stat("x", dir_fd=fd), "mkdir below": lambda fd: os.mkdir("x", dir_fd=fd),
}  # fmt: skip


def failure(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        call(*arguments)
    except OSError as error:
        return type(error), error.errno, str(error), error.filename, error.filename2
    except (TypeError, ValueError) as error:
        return type(error)
    return None


def prepare() -> None:
    os.mkdir("d")
    os.mkdir("d/e")
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, 0o644))
    os.symlink("loop", "loop")


def on_both(caller: DirectCaller, real: Path, run: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What ``run`` sees in a prepared real directory and behind the boundary, without the roots' paths."""
    monkeypatch.chdir(real)
    prepare()
    found = [run(str(real))]
    with running(caller):
        prepare()
        found.append(run(ROOT))
    return [repr(seen).replace(str(real), "ROOT").replace(ROOT, "ROOT").split("), (") for seen in found]


@pytest.mark.parametrize("name", sorted(ONE))
def test_one_path(caller: DirectCaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    call = ONE[name]
    real, simulated = on_both(
        caller, tmp_path, lambda root: [(path, failure(call, path)) for path in forms(root)], monkeypatch
    )
    assert simulated == real


@pytest.mark.parametrize("name", sorted(TWO))
def test_two_paths(caller: DirectCaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    call = TWO[name]

    def run(root: str) -> Any:
        pairs = [("absent", "g"), (Path("absent"), b"g"), ("f", "d"), ("d", "f"), ("f", "absent/x"), ("d", "d/e/x"),
                 ("", "x"), ("f", ""), (3, "x"), ("f", None), ("f\0", "x")]  # fmt: skip
        return [(pair, failure(call, *pair)) for pair in pairs]

    real, simulated = on_both(caller, tmp_path, run, monkeypatch)
    assert simulated == real


@pytest.mark.parametrize("name", sorted(DESCRIPTOR))
def test_descriptors_that_are_not_open(
    caller: DirectCaller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    call = DESCRIPTOR[name]

    def run(root: str) -> Any:
        fd = os.open("f", os.O_RDONLY)
        os.close(fd)
        return [repr(failure(call, wrong)).replace(str(fd), "FD") for wrong in (fd, "x", 1.5)]

    real, simulated = on_both(caller, tmp_path, run, monkeypatch)
    assert simulated == real


def test_arguments_that_fit_nothing(caller: DirectCaller) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: call("mkdir"), lambda: call("mkdir", "a", 0o700, 2), lambda: call("rename", "a"),
        lambda: call("stat", "a", nonsense=1), lambda: call("mkdir", "a", "x"), lambda: call("mkdir", "a", dir_fd="x"),
        lambda: call("utime", "f", (1,)), lambda: call("utime", "f", (1, 1), ns=(1, 1)),
        lambda: call("stat", 3, dir_fd=3), lambda: call("read", "x", 1), lambda: call("read", 1 << 30, -1),
        lambda: call("write", 1 << 30, "text"), lambda: call("fsync", "f"),
    ]  # fmt: skip
    expected = [failure_kind(each) for each in calls]
    with running(caller):
        assert [failure_kind(each) for each in calls] == expected


def call(name: str, *arguments: Any, **named: Any) -> Any:
    """A function of ``os`` with arguments that a type checker would not let pass."""
    return getattr(os, name)(*arguments, **named)


def failure_kind(call: Callable[[], Any]) -> Any:
    with pytest.raises((TypeError, ValueError, OSError)) as caught:
        call()
    return caught.type
