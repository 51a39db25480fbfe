"""A limit of the process or the machine is named in one line, and is neither a finding nor an internal error."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.cli import main
from simulator.errors import limit_reached
from simulator.interposition.filter import why_not
from tests.interposition.kernel import holds
from tests.interposition.programs import program

LIMITED = (
    "import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24)); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@holds
def test_too_few_descriptors_for_the_ranks(tmp_path: Path) -> None:
    words = [sys.executable, program(tmp_path, "open(os.path.join(root, str(rank)), 'w').close()"), "out"]
    command = [sys.executable, "-m", "ckptrace", "run", "--nodes", "8", "--watch", "out", "--", *words]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    [line] = done.stderr.splitlines()
    assert line.startswith("ckptrace: too many open files: this process may have 24 (ulimit -n)")


@holds
def test_no_more_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fork() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    why_not.cache_clear()
    monkeypatch.setattr(os, "fork", fork)
    words = [sys.executable, program(tmp_path, "pass"), "out"]
    assert main(["run", "--watch", str(tmp_path / "out"), "--", *words]) == 3
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("ckptrace: no more processes or threads can be started")
    assert "ulimit -u" in line


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (MemoryError(), "not enough memory"),
        (OSError(errno.ENFILE, ""), "fs.file-max"),
        (OSError(errno.ENOENT, ""), None),
        (RuntimeError("something else"), None),
    ],
)
def test_what_an_exception_says_of_a_limit(error: BaseException, named: str | None) -> None:
    found = limit_reached(error)
    assert found is None if named is None else named in (found or "")
