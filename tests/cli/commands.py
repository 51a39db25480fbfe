"""The command line, called in this process: fast, and with what it printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from simulator.cli import main


class Called(NamedTuple):
    """What a command gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must hold one JSON document and nothing else."""
        return json.loads(self.out)


class Command:
    """Calls ckptrace in a directory of its own."""

    def __init__(self, directory: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self._capture = capture

    def __call__(self, *arguments: str | Path) -> Called:
        code = main([str(argument) for argument in arguments])
        return Called(code, *self._capture.readouterr())

    def write(self, name: str, text: str) -> Path:
        """A file in the current directory."""
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def traces(self) -> list[Path]:
        """The trace files that were written to the default place."""
        return sorted((self.directory / "ckptrace-out").glob("*.json"))
