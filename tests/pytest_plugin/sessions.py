"""Runs pytest on race tests, and looks at what it left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

RACY = """
    import os
    import pytest

    @pytest.mark.checkpoint_race(schedules=200, seed=1)
    def test_save(rank):
        staging = rank.root / "tmp-checkpoint-1"
        os.makedirs(staging, exist_ok=True)
        (staging / f"rng_state_{rank.index}.pth").write_bytes(b"state")
        rank.barrier()
        if staging.exists():
            os.rename(staging, rank.root / "checkpoint-1")
"""
"""The save of the README."""

REPAIRED = RACY.replace("if staging.exists():", "if rank.index == 0:")

MARKED = """
    import os
    import pytest

    @pytest.mark.checkpoint_race({marker})
    def test_save(rank{arguments}):
        {body}
"""


def marked(marker: str = "schedules=50, seed=1", body: str = "work(rank)", arguments: str = "") -> str:
    """A test with that marker; what it calls as ``work(rank)`` is two files a rank."""
    work = """
    def work(rank):
        for name in "ab":
            (rank.root / f"{name}{rank.index}").touch()
    """
    return work + MARKED.format(marker=marker, body=body, arguments=arguments and ", " + arguments)


APART = ("-p", "no:hypothesispytest", "-p", "no:pytest_fakefs")
"""Options of a session in a process of its own: without the plugins that take most of its time to start."""


class Sessions:
    """Sessions of pytest, in this process unless it is said otherwise."""

    _DEFAULTS = ("-W", "default")
    """In this process they would get the filters of the session that runs the test: all warnings are errors."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.root = pytester.path

    def write(self, source: str, name: str = "test_it") -> Path:
        """A file of tests."""
        return self._pytester.makepyfile(**{name: source})

    def run(self, *arguments: str, source: str | None = None) -> pytest.RunResult:
        """A session, on this source if there is one."""
        if source is not None:
            self.write(source)
        return self._pytester.runpytest_inprocess(*self._DEFAULTS, *arguments)

    def run_apart(self, *arguments: str) -> pytest.RunResult:
        """A session in a process of its own."""
        return self._pytester.runpytest_subprocess(*APART, *arguments)

    def reported(self, *arguments: str, source: str | None = None) -> dict[str, Any]:
        """The properties of the only test of a session."""
        if source is not None:
            self.write(source)
        (report,) = self._pytester.inline_run(*self._DEFAULTS, *arguments).getreports("pytest_runtest_logreport")[1:2]
        return dict(report.user_properties)

    @property
    def kept(self) -> list[Path]:
        """The failures that are kept."""
        return sorted((self.root / ".ckptrace" / "failures").glob("*"))
