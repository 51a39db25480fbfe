"""CPython's own tests of shutil and os, each run by a rank on the model: what works on a real disk works there.

Whether a test is skipped is decided by the real machine. What does not pass has a reason, told by the message it ends
with; tests that are about processes, environments and identities are not of interest here.
"""

from __future__ import annotations

import re
import tempfile
import unittest
from collections.abc import Iterator

import msgspec
import pytest

from simulator import run_as_rank
from simulator.errors import Escape
from simulator.rank import Rank

REASONS = {
    "starts another program": r"cannot start processes",
    "the model has no extended attributes": r"Errno 95|95 != 61",
    "moves a descriptor to a number of its choice": r"os\.dup2",
    "moves data in the kernel": r"os\.splice|socket\.bind",
    "goes into a directory by its descriptor": r"os\.fchdir",
    "links to a file outside the root": r"os\.symlink",
    "paths of bytes-like objects, deprecated since Python 3.6": r"not bytearray|not memoryview",
    "calls a function that was kept before the simulation began": r"cleanup_fn\(result\)",
    "an unused scan has no descriptor that leaks": r"ResourceWarning not triggered",
}
"""Why a test may fail, each by a pattern of how it does."""

FILES = (
    "FileTests", "StatAttributeTests", "UtimeTests", "WalkTests", "FwalkTests", "BytesWalkTests", "BytesFwalkTests",
    "MakedirTests", "ChownFileTests", "RemoveDirsTests", "DevNullTests", "LinkTests", "NonLocalSymlinkTests",
    "ReadlinkTests", "TestScandir", "TestDirEntry", "ExtendedAttributeTests", "TestInvalidFD", "Pep383Tests",
    "PathTConverterTests", "OSErrorTests", "FDInheritanceTests", "TestSendfile", "ExportsTests",
)  # fmt: skip
"""The classes of ``test_os`` that are about files."""


class Outcome(msgspec.Struct):
    """How the tests of a module ended: the names of those that passed, and the last words of those that did not."""

    passed: list[str]
    failed: dict[str, str]

    def unexplained(self) -> dict[str, str]:
        """What failed for none of the reasons."""
        known = re.compile("|".join(REASONS.values()))
        return {name: text for name, text in self.failed.items() if known.search(text) is None}


TREES = ("TestRmTree", "TestCopyTree", "TestMove")
"""The classes of ``test_shutil`` that are about whole trees, and fast."""


@pytest.mark.filterwarnings("ignore")
def test_shutil_copies_moves_and_removes_trees() -> None:
    ended = outcome("test_shutil", TREES)
    assert not ended.failed
    assert len(ended.passed) >= 40


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_shutil_passes_its_tests() -> None:
    """Of the 141 of CPython 3.11 that pass on a real disk, 135; pyfakefs: 119."""
    ended = outcome("test_shutil", ())
    assert not ended.unexplained()
    assert len(ended.passed) >= 135
    assert len(ended.failed) <= 6


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_file_functions_of_os_pass_their_tests() -> None:
    ended = outcome("test_os", FILES)
    assert not ended.unexplained()
    assert len(ended.passed) >= 100
    assert len(ended.failed) <= 0.2 * len(ended.passed)


def outcome(module: str, classes: tuple[str, ...]) -> Outcome:
    """Run a module of CPython's suite, each test on a file system of its own."""
    found = pytest.importorskip(f"test.{module}", reason="this Python comes without its tests")
    ended = Outcome([], {})
    for case in cases(unittest.defaultTestLoader.loadTestsFromModule(found)):
        if not classes or type(case).__name__ in classes:
            run(case, ended)
    return ended


def cases(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """All tests of a suite."""
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from cases(each)
        elif isinstance(each, unittest.TestCase):
            yield each


def run(case: unittest.TestCase, ended: Outcome) -> None:
    """Run a test in a rank, with the fixtures of its class."""
    result = unittest.TestResult()

    def program(rank: Rank) -> None:
        (rank.root / "tmp").mkdir()
        tempfile.tempdir = str(rank.root / "tmp")
        unittest.TestSuite([case]).run(result)

    name = case.id().partition(".")[2]
    before = tempfile.tempdir
    try:
        run_as_rank(program)
    except Escape as escape:
        ended.failed[name] = str(escape)
        return
    finally:
        tempfile.tempdir = before
    wrong = [text for _, text in (*result.errors, *result.failures)]
    if wrong:
        ended.failed[name] = wrong[0]
    elif not result.skipped:
        ended.passed.append(name)
