"""The same program on a real directory and behind the boundary sees the same and leaves the same tree."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from simulator.boundary import installed
from tests.boundary.actions import ACTIONS
from tests.boundary.direct import ROOT, DirectCaller, running

NAMES = ["a", "b", "c", "a/b", "a/c", "b/a", "b/.d"]
UMASK = 0o022

Step = tuple[str, str, str]
steps = st.tuples(st.sampled_from(sorted(ACTIONS)), st.sampled_from(NAMES), st.sampled_from(NAMES))


@settings(max_examples=250)
@given(program=st.lists(steps, min_size=1, max_size=25))
def test_programs_see_and_leave_the_same(program: list[Step]) -> None:
    assert behind_boundary(program) == on_disk(program)


@pytest.mark.slow
@settings(max_examples=5000)
@given(program=st.lists(steps, min_size=1, max_size=40))
def test_many_programs_see_and_leave_the_same(program: list[Step]) -> None:
    assert behind_boundary(program) == on_disk(program)


@pytest.mark.parametrize("action", sorted(ACTIONS))
@pytest.mark.parametrize("kind", ["nothing", "file", "directory", "full directory", "link", "dangling link"])
def test_each_action_alone(action: str, kind: str) -> None:
    """Each action on each kind of thing, whether Hypothesis comes by it or not."""
    setup: dict[str, list[Step]] = {
        "nothing": [],
        "file": [("write bytes", "a", "c")],
        "directory": [("mkdir", "a", "a")],
        "full directory": [("makedirs", "a", "b"), ("write text", "a/c", "b")],
        "link": [("makedirs", "c", "b"), ("symlink", "c", "a")],
        "dangling link": [("symlink to an absolute path", "c", "a")],
    }
    program = [*setup[kind], ("mkdir", "b", "b"), (action, "a", "b"), (action, "b", "a"), (action, "a", "a")]
    assert behind_boundary(program) == on_disk(program)


def behind_boundary(program: list[Step]) -> Any:
    with installed(), running(DirectCaller()):
        return outcomes(Path(ROOT), program), tree(ROOT)


def on_disk(program: list[Step]) -> Any:
    root = Path(os.path.realpath(tempfile.mkdtemp(prefix="ckptrace-test-")))
    os.chmod(root, 0o755)
    before, mask = os.getcwd(), os.umask(UMASK)
    os.chdir(root)
    try:
        return outcomes(root, program), tree(str(root))
    finally:
        os.chdir(before)
        os.umask(mask)
        shutil.rmtree(root)


def outcomes(root: Path, program: list[Step]) -> list[Any]:
    # A removedirs goes on upwards to the first directory that is not empty: that must be the root, which on the real
    # disk could go and in the simulation cannot.
    (root / "stays").write_bytes(b"")
    return [outcome(root, *step) for step in program]


def outcome(root: Path, action: str, first: str, second: str) -> Any:
    try:
        return relative(root, ACTIONS[action](root, first, second))
    except shutil.Error as error:
        return type(error).__name__, len(error.args[0]) if isinstance(error.args[0], list) else None
    except OSError as error:
        number = errno.ENOTEMPTY if error.errno == errno.EEXIST and action.startswith("re") else error.errno
        return type(error).__name__, number, relative(root, error.filename), relative(root, error.filename2)
    except (ValueError, RuntimeError) as error:
        return type(error).__name__


def relative(root: Path, value: Any) -> Any:
    """A result without what differs by nature: where the root lies, and random names."""
    if isinstance(value, list | tuple):
        return [relative(root, item) for item in value]
    if isinstance(value, Path):
        return "path", relative(root, str(value))
    if isinstance(value, str):
        return re.sub(r"/tmp[a-z0-9_]{8}\b", "/tmpRANDOM", value.replace(str(root), "ROOT"))
    if isinstance(value, bytes):
        return value.replace(os.fsencode(root), b"ROOT")
    return value


def tree(root: str) -> dict[str, Any]:
    """Every name below the root: its kind and mode, and content or text."""
    found: dict[str, Any] = {}
    for at, directories, files in os.walk(root):
        for name in [*directories, *files]:
            path = f"{at}/{name}"
            mode = os.lstat(path).st_mode
            content: Any = None
            if stat.S_ISLNK(mode):
                content = os.readlink(path).replace(root, "ROOT")
            elif stat.S_ISREG(mode):
                with open(path, "rb") as file:
                    content = file.read()
            found[path.removeprefix(root)] = (stat.filemode(mode), content)
    return found
