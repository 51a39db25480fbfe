"""With the boundary in place, whoever is no rank meets the real machine as before."""

from __future__ import annotations

import io
import mmap
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from simulator.boundary import installed
from tests.boundary.direct import DirectCaller, running


def everyday_work(directory: Path) -> Any:
    """A handful of calls with results that tell whether the real machine was there."""
    work = directory / "work"
    os.makedirs(work / "a" / "b")
    (work / "a" / "f").write_text("x")
    shutil.copytree(work / "a", work / "c")
    with open(work / "c" / "f", "r+b") as file, mmap.mmap(file.fileno(), 1) as mapped:
        mapped[0] = ord("y")
        assert isinstance(file.raw, io.FileIO)
    with tempfile.NamedTemporaryFile(dir=work) as named, io.FileIO(named.name, "a") as raw:
        raw.write(b"z")
        size = os.stat(named.name).st_size
    here, nobody = os.getcwd(), os.getpid()
    os.environ["CKPTRACE_TEST"] = "1"
    seen = subprocess.run(
        [sys.executable, "-c", "import os; print(os.environ['CKPTRACE_TEST'], os.getcwd())"],
        capture_output=True, text=True, check=True, cwd=work,
    ).stdout  # fmt: skip
    del os.environ["CKPTRACE_TEST"]
    tree = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*"))
    shutil.rmtree(work)
    return tree, size, seen.split(), here, nobody, type(os.stat(directory)), len(os.urandom(3)), socket.gethostname()


def test_nobody_is_simulated_when_no_rank_runs(tmp_path: Path) -> None:
    before = everyday_work(tmp_path)
    with installed():
        assert everyday_work(tmp_path) == before
    assert everyday_work(tmp_path) == before


def test_the_tools_own_code_is_not_simulated_while_a_rank_exists(tmp_path: Path, caller: DirectCaller) -> None:
    with running(caller):
        os.mkdir("d")
    before = everyday_work(tmp_path)
    assert before[0][0] == "work"
    assert [type(operation).__name__ for operation in caller.operations] == ["Mkdir"]


def test_another_thread_is_not_simulated_while_a_rank_runs(tmp_path: Path, caller: DirectCaller) -> None:
    expected = everyday_work(tmp_path)
    results = in_thread_while(caller, lambda: everyday_work(tmp_path))
    assert results == [expected]
    assert caller.operations == []


def test_a_rank_that_runs_leaves_the_other_threads_time_and_randomness(caller: DirectCaller) -> None:
    now = time.time()
    (found,) = in_thread_while(caller, lambda: (time.time(), random.random(), uuid.uuid4(), os.getcwd()))
    assert found[0] >= now
    assert found[3] == os.getcwd()


def in_thread_while(caller: DirectCaller, work: Callable[[], Any]) -> list[Any]:
    """What ``work`` gives in a thread of its own, while the rank is current in this one."""
    results: list[Any] = []
    begin, done = threading.Event(), threading.Event()

    def body() -> None:
        begin.wait()
        try:
            results.append(work())
        finally:
            done.set()

    thread = threading.Thread(target=body)
    thread.start()
    with running(caller):
        begin.set()
        done.wait()
    thread.join()
    return results


def test_reading_outside_the_root_passes(tmp_path: Path, caller: DirectCaller) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_text("real")
    (tmp_path / "l").symlink_to("d")
    with running(caller):
        assert (tmp_path / "d" / "f").read_text() == "real"
        assert os.listdir(tmp_path / "d") == ["f"]
        assert [entry.name for entry in os.scandir(tmp_path / "d")] == ["f"]
        assert os.stat(tmp_path / "d" / "f").st_size == 4
        assert os.path.isdir(tmp_path / "d")
        assert os.readlink(tmp_path / "l") == "d"
        assert os.access(tmp_path, os.R_OK)
        os.makedirs(tmp_path / "d", exist_ok=True)
        with pytest.raises(FileExistsError, match="/d'"):
            (tmp_path / "d").mkdir()
        assert os.statvfs(tmp_path).f_bsize
        fd = os.open(tmp_path / "d", os.O_RDONLY)
        assert os.listdir(fd) == ["f"]
        assert os.stat("f", dir_fd=fd).st_size == 4
        os.close(fd)
        with pytest.raises(FileNotFoundError, match="absent"):
            (tmp_path / "absent").read_bytes()
        os.chdir(tmp_path)
        assert os.getcwd() == os.path.realpath(tmp_path)
        assert Path("d/f").read_text() == "real"
        assert os.listdir() == os.listdir(".")
        shutil.copyfile("d/f", f"{caller.root}/copy")
        assert Path(caller.root, "copy").read_bytes() == b"real"
    assert os.getcwd() != str(tmp_path)


def test_what_leaves_nothing_behind_may_be_written(caller: DirectCaller, capfd: pytest.CaptureFixture[str]) -> None:
    with running(caller):
        with open(os.devnull, "w") as nothing:
            nothing.write("x")
        os.close(os.open(os.devnull, os.O_WRONLY))
        os.write(1, b"to standard output\n")
        print("printed", flush=True)
    assert capfd.readouterr().out == "to standard output\nprinted\n"
    assert caller.escapes == []


def test_modules_are_imported_from_the_real_disk(
    tmp_path: Path, caller: DirectCaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_module_of_a_test.py").write_text("import os\nfrom os import mkdir\nos.mkdir('made')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    with running(caller):
        import_module("a_module_of_a_test").mkdir("made too")
        assert os.listdir() == ["made", "made too"]
    assert caller.escapes == []
    assert [path.name for path in (tmp_path / "__pycache__").iterdir()]
    del sys.modules["a_module_of_a_test"]
