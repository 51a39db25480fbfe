"""Results of stat and scandir look like CPython's own, and tell which fields were looked at."""

from __future__ import annotations

import copy
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.boundary.direct import ROOT, DirectCaller, running

LOOKS: dict[str, tuple[Callable[[os.stat_result], Any], set[str]]] = {
    "mode": (lambda found: found.st_mode, set()),
    "size": (lambda found: (found.st_size, found[6], found.st_blocks, found.st_blksize), set()),
    "inode": (lambda found: (found.st_ino, found.st_dev, found[1], found[2], found.st_rdev), set()),
    "owner": (lambda found: (found.st_uid, found.st_gid, found[4:6]), set()),
    "atime": (lambda found: (found.st_atime, found.st_atime_ns), {"mtime"}),
    "mtime": (lambda found: found.st_mtime, {"mtime"}),
    "mtime in nanoseconds": (lambda found: found.st_mtime_ns, {"mtime"}),
    "mtime by number": (lambda found: (found[8], found[-2], found[stat.ST_MTIME]), {"mtime", "value"}),
    "ctime": (lambda found: found.st_ctime, {"ctime"}),
    "ctime in nanoseconds": (lambda found: found.st_ctime_ns, {"ctime"}),
    "links": (lambda found: found.st_nlink, {"links"}),
    "links by number": (lambda found: found[3], {"links"}),
    "as a tuple": (tuple, {"links", "mtime", "ctime", "value"}),
    "equality": (lambda found: found == 1, {"links", "mtime", "ctime", "value"}),  # type: ignore[comparison-overlap]
    "text": (repr, {"links", "mtime", "ctime", "value"}),
    "a part": (lambda found: found[:3], set()),
    "times together": (lambda found: found[7:], {"mtime", "ctime", "value"}),
    "nothing": (lambda found: stat.S_ISDIR(found.st_mode), set()),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_is_told(caller: DirectCaller, look: str) -> None:
    see, facets = LOOKS[look]
    with running(caller):
        found = os.stat(ROOT)
        see(found)
    assert {facet for _, facet in caller.looks} == facets
    assert {inode for inode, _ in caller.looks} <= {found.st_ino}


def test_what_asks_for_the_mtime_is_told_too(caller: DirectCaller) -> None:
    with running(caller):
        for name in ("a", "b"):
            os.mkdir(name)
        os.path.isdir("a")
        os.path.exists("a")
        os.path.samefile("a", "b")
        assert caller.looks == []
        assert max(Path(ROOT).iterdir(), key=os.path.getmtime).name == "b"
        assert [facet for _, facet in caller.looks] == ["mtime", "mtime"]


def test_a_result_is_a_stat_result(caller: DirectCaller, tmp_path: Path) -> None:
    real = os.stat(tmp_path)
    with running(caller):
        (Path(ROOT) / "f").write_bytes(b"x" * 5000)
        os.utime("f", ns=(1_500_000_000, 2_250_000_001))
        found = os.stat("f")
    assert isinstance(found, os.stat_result)
    assert isinstance(found, tuple)
    assert len(found) == len(real)
    assert (found.st_mtime, found.st_atime, found[8]) == (2.250000001, 1.5, 2)
    assert [found[number] for number in range(-10, 10)] == list(found) * 2
    exact = os.stat_result(found[:])
    assert (found == exact, exact == found, found == tuple(exact), hash(found) == hash(exact)) == (True,) * 4
    assert (repr(found), found.count(0), found.index(0)) == (repr(exact), exact.count(0), exact.index(0))
    assert found.__add__((1,)) == (*exact, 1)
    assert (found <= exact, found < exact, found >= exact, found > exact, 33188 in found) == (True, False) * 2 + (True,)
    assert (found.n_fields, found.n_sequence_fields, found.n_unnamed_fields) == (
        real.n_fields, real.n_sequence_fields, real.n_unnamed_fields
    )  # fmt: skip
    assert {name for name in dir(real) if name.startswith("st_")} == {n for n in dir(found) if n.startswith("st_")}
    for copied in (pickle.loads(pickle.dumps(found)), copy.copy(found)):
        assert type(copied) is os.stat_result
        assert (copied.st_mtime_ns, copied.st_size, copied.st_blocks) == (2_250_000_001, 5000, 16)
    match found:
        case os.stat_result(st_size=size):
            assert size == 5000
    for number in (10, -11):
        with pytest.raises(IndexError, match="tuple index out of range"):
            found[number]


def test_scanned_entries_ask_only_for_what_the_scan_did_not_bring(caller: DirectCaller) -> None:
    with running(caller):
        os.makedirs("d/e")
        open("d/f", "w").close()
        os.symlink("e", "d/l")
        os.symlink("nowhere", "d/x")
        caller.operations.clear()
        with os.scandir("d") as scan:
            entries = {entry.name: entry for entry in scan}
        assert caller.kinds() == ["Readdir"]
        kinds = {name: (entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False), entry.is_symlink())
                 for name, entry in entries.items()}  # fmt: skip
        assert kinds == {"e": (True, False, False), "f": (False, True, False), "l": (False, False, True),
                         "x": (False, False, True)}  # fmt: skip
        assert (entries["e"].is_dir(), entries["f"].is_file(), entries["f"].is_dir()) == (True, True, False)
        assert caller.kinds() == []
        assert (entries["l"].is_dir(), entries["x"].is_dir(), entries["x"].is_file()) == (True, False, False)
        assert caller.kinds() == ["Stat"] * 3
        assert entries["l"].stat().st_ino == entries["e"].inode() == entries["e"].stat().st_ino
        entries["e"].stat(follow_symlinks=False)
        assert caller.kinds() == ["Stat"]
        with pytest.raises(FileNotFoundError, match="'d/x'"):
            entries["x"].stat()
    for entry in entries.values():
        assert isinstance(entry, os.DirEntry)
        assert os.fspath(entry) == entry.path == f"d/{entry.name}"
        assert repr(entry) == f"<DirEntry {entry.name!r}>"
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(entry)


def test_a_closed_scan_is_at_its_end(caller: DirectCaller) -> None:
    with running(caller):
        os.makedirs("a/b")
        scan = os.scandir("a")
        scan.close()
        assert list(scan) == []
        with pytest.raises(FileNotFoundError, match="'absent'"):
            os.scandir("absent")
