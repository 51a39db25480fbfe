"""Whatever form a path has, it means one thing, and what comes back has the form that Python gives."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from simulator.boundary.paths import outside, place
from tests.boundary.direct import ROOT, DirectCaller, running

INSIDE: list[tuple[Any, str]] = [
    (ROOT, ""), (f"{ROOT}/", ""), (f"{ROOT}/a/b", "a/b"), (f"{ROOT}//a///b", "a/b"), (f"{ROOT}/a/", "a/"),
    (f"{ROOT}/a/../b", "a/../b"), (f"{ROOT}/./a", "./a"), (f"{ROOT}/..a", "..a"), (f"{ROOT}/a..", "a.."),
    (Path(ROOT) / "a", "a"), (f"{ROOT}/a".encode(), "a"), (f"{ROOT}/\udcff", "\udcff"),
    (f"{ROOT}/".encode() + b"\xff", "\udcff"), (Path("a"), "here/a"), ("./a", "here/./a"),
    (f"/{ROOT}/a", "a"), ("/dev/./null/ckptrace/a", "a"), ("/dev/null/x/../ckptrace/a", "a"), ("a", "here/a"),
    (".", "here/."), ("..", "here/.."), ("../a", "here/../a"), (b"a", "here/a"),
]  # fmt: skip
OUTSIDE: list[Any] = [
    "/", "/opt/a", "/dev/null", f"{ROOT}x", f"{ROOT}/..", f"{ROOT}/a/../../b", "../..", "../../../../etc", b"/opt",
    Path("/opt"), "/dev/null/ckptrac",
]  # fmt: skip


@pytest.fixture
def rank() -> DirectCaller:
    caller = DirectCaller()
    caller.cwd = f"{ROOT}/here"
    return caller


@pytest.mark.parametrize(("path", "relative"), INSIDE, ids=repr)
def test_paths_below_the_root(rank: DirectCaller, path: Any, relative: str) -> None:
    assert [place(rank, path) for _ in range(2)] == [(relative, None)] * 2


@pytest.mark.parametrize("path", OUTSIDE, ids=repr)
def test_paths_outside(rank: DirectCaller, path: Any) -> None:
    assert place(rank, path) == (None, None)


@pytest.mark.parametrize(
    ("path", "error"),
    [("", FileNotFoundError), (b"", FileNotFoundError), ("a\0b", ValueError), (1.5, TypeError), (None, TypeError),
     (f"{ROOT}/a\0", ValueError)],
    ids=repr,
)  # fmt: skip
def test_what_is_no_path_raises_what_os_raises(rank: DirectCaller, path: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        os.mkdir(path)
    with pytest.raises(error):
        place(rank, path)


def test_directory_descriptors_are_for_relative_paths(rank: DirectCaller) -> None:
    assert place(rank, "a/../..", 1 << 30) == ("a/../..", 1 << 30)
    assert place(rank, f"{ROOT}/a", 1 << 30) == ("a", None)
    assert place(rank, "a", 5) == (None, None)
    with pytest.raises(TypeError, match="argument should be integer or None, not str"):
        place(rank, "a", "5")


def test_another_root_is_another_place(rank: DirectCaller) -> None:
    assert place(rank, f"{ROOT}/a") == ("a", None)
    rank.root = "/elsewhere"
    assert place(rank, f"{ROOT}/a") == (None, None)
    assert place(rank, "/elsewhere/a") == ("a", None)


def test_a_path_outside_is_made_absolute_for_the_real_machine(rank: DirectCaller) -> None:
    rank.cwd = "/tmp"
    given_and_real = {"a": "/tmp/a", "/b": "/b", b"a": b"/tmp/a", b"/b": b"/b", 7: 7, Path("a"): "/tmp/a"}
    assert {path: outside(rank, path) for path in given_and_real} == given_and_real
    assert outside(rank, "a", 7) == "a"


@given(st.lists(st.sampled_from(["a", "b", ".", "..", "", "c.d"]), max_size=8), st.booleans())
def test_normal_forms_agree(parts: list[str], relative: bool) -> None:
    """Where no component is a link, the place is what the normal form of the path says."""
    rank = DirectCaller()
    path = "/".join(parts) if relative else f"{ROOT}/{'/'.join(parts)}"
    if not path or (path.startswith("/") and relative):
        return
    normal = os.path.normpath(path if path.startswith("/") else f"{ROOT}/{path}")
    found, _ = place(rank, path)
    if (normal + "/").startswith(ROOT + "/"):
        assert os.path.normpath(f"{ROOT}/{found}") == normal
    else:
        assert found is None


def test_absolute_paths_come_back(caller: DirectCaller) -> None:
    with running(caller):
        os.makedirs("a/b")
        os.symlink(f"{ROOT}/a", "l")
        os.symlink("a/b", "m")
        assert os.getcwd() == ROOT
        assert os.getcwdb() == ROOT.encode()
        assert os.path.realpath("l/b") == f"{ROOT}/a/b" == str(Path("m").resolve())
        assert os.path.abspath("x") == f"{ROOT}/x"
        assert Path.cwd() == Path(ROOT)
        os.chdir("m")
        assert (os.getcwd(), os.listdir("..")) == (f"{ROOT}/a/b", ["b"])
        os.chdir(b"../..")
        assert os.getcwd() == ROOT
        Path("f").touch()
        with pytest.raises(NotADirectoryError, match="'f'"):
            os.chdir("f")
