"""Any code as the only rank of a job."""

from __future__ import annotations

import os
import tempfile
import unittest
from pathlib import Path

import pytest

import simulator
from simulator.errors import CannotDo, Escape, UsageError
from simulator.rank import Rank


def test_it_gives_what_the_function_returns_and_raises_what_it_raises() -> None:
    assert simulator.run_as_rank(lambda: 7) == 7
    assert simulator.run_as_rank(lambda rank: (rank.index, rank.world_size)) == (0, 1)
    with pytest.raises(FileNotFoundError, match="nothing"):
        simulator.run_as_rank(lambda: os.rmdir("nothing"))
    with pytest.raises(SystemExit) as ended:
        simulator.run_as_rank(lambda: exit(3))
    assert ended.value.code == 3


def test_the_function_acts_on_an_empty_model() -> None:
    def function(rank: Rank) -> tuple[str, list[str], bool]:
        before = os.listdir()
        Path("here").write_text("text")
        return os.getcwd(), before, (rank.root / "here").exists()

    assert simulator.run_as_rank(function) == ("/dev/null/ckptrace", [], True)
    assert not Path("here").exists()


def test_a_test_suite_runs_on_the_model() -> None:
    class Suite(unittest.TestCase):
        def setUp(self) -> None:
            self.directory = tempfile.mkdtemp(dir=".")

        def test_passes(self) -> None:
            os.mkdir(os.path.join(self.directory, "sub"))
            assert os.listdir(self.directory) == ["sub"]

        def test_fails(self) -> None:
            os.rmdir(os.path.join(self.directory, "sub"))

    def function() -> tuple[int, list[str]]:
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Suite).run(result)
        return result.testsRun, [text.splitlines()[-1] for _, text in result.errors]

    ran, errors = simulator.run_as_rank(function, filesystem="local")
    assert ran == 2
    assert len(errors) == 1
    assert errors[0].startswith("FileNotFoundError: [Errno 2] No such file or directory")


def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown profile 'floppy'"):
        simulator.run_as_rank(lambda: None, filesystem="floppy")
    with pytest.raises(Escape, match="rank 0 reached past the simulation"):
        simulator.run_as_rank(lambda: (tmp_path / "file").touch())

    def waits(rank: Rank) -> None:
        import fcntl

        files = [open("lock", "w") for _ in range(2)]  # noqa: SIM115
        for file in files:
            fcntl.flock(file, fcntl.LOCK_EX)

    with pytest.raises(CannotDo, match="the rank waits for ever: file lock"):
        simulator.run_as_rank(waits)


def test_what_it_prints_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    simulator.run_as_rank(lambda: print("shown"))
    assert capsys.readouterr().out == "shown\n"
