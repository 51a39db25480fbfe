"""Stale answers of the model beside real ones: one directory, mounted twice by FUSE with caches of the kernel.

A FUSE mount is no NFS client: nothing but time makes its names fresh. Where the two agree, what is seen there the model
must allow. Needs root, the library libfuse3 and the package mfusepy.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from ctypes.util import find_library
from pathlib import Path
from typing import Any

import pytest

from simulator.filesystems import Attributes, RealDirectory
from simulator.operations import Close, Mkdir, Open, Operation, Rename, Stat, Unlink, Write
from tests.filesystems.views.machines import CREATE, Machines, nfs

pytestmark = pytest.mark.slow

SECONDS = 2.0

PROBES: dict[str, tuple[list[Any], Operation]] = {
    "a name that was looked for before it was made": ([(1, Stat("f")), (0, "f", b"1")], Stat("f")),
    "a rename of a name that was looked for before": ([(1, Stat("f")), (0, "f", b"1")], Rename("f", "g")),
    "a name that is gone": ([(0, "f", b"1"), (1, Stat("f")), (0, Unlink("f"))], Stat("f")),
    "the size of a file that has grown": ([(0, "f", b"1"), (1, Stat("f")), (0, "f", b"1234")], Stat("f")),
    "a name that nobody has looked for": ([(0, "f", b"1")], Stat("f")),
    "a directory that is made where one was looked for": ([(1, Stat("d")), (0, Mkdir("d"))], Mkdir("d")),
    "a rename onto a name that was looked for": ([(1, Stat("g")), (0, "g", b"1"), (1, "h", b"2")], Rename("h", "g")),
}
"""What happens first, by node, and what the other node does then. A name with data is a file that is written."""
NEVER_STALE = ("a name that nobody", "a directory that is made", "a rename onto")


@contextmanager
def mounted_twice() -> Iterator[list[Any]]:
    """Two mounts of one directory, each as the file system of a node."""
    program = Path(__file__).with_name("passing_on.py")
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        directory = Path(place) / "directory"
        directory.mkdir()
        nodes = []
        for number in (0, 1):
            point = Path(place) / f"node-{number}"
            point.mkdir()
            server = subprocess.Popen([sys.executable, str(program), str(directory), str(point), str(SECONDS)])
            stack.callback(server.wait, 10)
            stack.callback(subprocess.run, ["umount", str(point)], check=True)
            until = time.monotonic() + 10
            while not os.path.ismount(point):
                assert server.poll() is None, "the mount does not come"
                assert time.monotonic() < until, "the mount does not come"
            nodes.append(stack.enter_context(closing(RealDirectory(point))))
        yield nodes


def answer(perform: Any, rank: int, operation: Operation, *arguments: Any, **wanted: Any) -> Any:
    """What an operation tells: a size, a result, or the name of an errno."""
    try:
        given = perform(rank, operation, *arguments, **wanted)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return given.size if isinstance(given, Attributes) else given


def carry_out(perform: Any, steps: list[Any]) -> None:
    """All that happens before the last step."""
    for node, what, *data in steps:
        if isinstance(what, Operation):
            answer(perform, node, what)
            continue
        descriptor = answer(perform, node, Open(what, CREATE))
        answer(perform, node, Write(descriptor, data[0]))
        answer(perform, node, Close(descriptor))


def on_the_model(steps: list[Any], last: Operation, later: float) -> set[Any]:
    """What the model allows the last step to tell."""
    node = Machines(nfs(acregmin=SECONDS, acregmax=SECONDS, acdirmin=SECONDS, acdirmax=SECONDS))
    carry_out(node.do, steps)
    node.later(later)
    return node.may_be(lambda **wanted: answer(node.do, 1, last, **wanted), stale_name=1, stale_attributes=1)


def on_the_mounts(steps: list[Any], last: Operation, later: float) -> Any:
    """What the last step tells there."""
    with mounted_twice() as nodes:
        carry_out(lambda rank, operation: nodes[rank].perform(rank, operation), steps)
        time.sleep(later)  # The kernel's caches know no other clock.
        return answer(nodes[1].perform, 1, last)


@pytest.mark.parametrize("name", PROBES)
def test_what_two_mounts_see_the_model_allows(name: str) -> None:
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("only root can mount a file system, and the kernel must have FUSE")
    if find_library("fuse3") is None or importlib.util.find_spec("mfusepy") is None:
        pytest.skip("libfuse3 or mfusepy is not installed")
    steps, last = PROBES[name]
    at_once, later = on_the_mounts(steps, last, 0), on_the_mounts(steps, last, SECONDS + 0.5)
    assert at_once in on_the_model(steps, last, 0)
    assert {later} == on_the_model(steps, last, SECONDS + 0.5)
    assert (at_once != later) == (not name.startswith(NEVER_STALE)), "no caches of the kernel were in between"
