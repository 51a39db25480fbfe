"""What is heavy is imported when it is used: the command answers at once, and importing the package costs little."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.architecture.commands import run

HEAVY = {"torch", "numpy", "hypothesis", "pyfakefs", "pytest", "multiprocess"}
"""What neither ``import simulator`` nor ``ckptrace --help`` needs."""
ANSWER_SECONDS = 0.4
"""How soon ``ckptrace --help`` answers on a machine on which bare Python starts in 20 ms."""


def loaded(*command: str | Path, cwd: Path) -> set[str]:
    """The top-level modules that a Python command imported, by the interpreter's own account (-X importtime)."""
    result = run(sys.executable, "-X", "importtime", *command, cwd=cwd)
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().split(".")[0] for line in lines}


def seconds(*command: str | Path, cwd: Path) -> float:
    started = time.perf_counter()
    result = run(*command, cwd=cwd)
    assert result.returncode == 0, result.stderr
    return time.perf_counter() - started


def test_importing_the_package_imports_nothing_heavy(tmp_path: Path) -> None:
    names = loaded("-c", "import simulator", cwd=tmp_path)
    assert "simulator" in names
    assert names & (HEAVY | {"typer", "rich"}) == set()


def test_help_imports_nothing_heavy(command: Path, tmp_path: Path) -> None:
    names = loaded(command, "--help", cwd=tmp_path)
    assert "simulator" in names
    assert names & HEAVY == set()


def test_help_answers_at_once(command: Path, tmp_path: Path) -> None:
    """The best of several, against bare Python in the same minute: a busy machine slows both."""
    bare = min(seconds(sys.executable, "-c", "pass", cwd=tmp_path) for _ in range(5))
    best = min(seconds(command, "--help", cwd=tmp_path) for _ in range(5))
    assert best <= max(ANSWER_SECONDS, ANSWER_SECONDS / 0.020 * bare)
