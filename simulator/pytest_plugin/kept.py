"""Failures of tests, kept below ``.ckptrace`` in pytest's root directory until the test passes their schedule.

One file a test, named by its node id: the trace of the last failure. It is whole or absent, whenever the process is
killed; two processes that run the same test at once each put a whole one there.
"""

from __future__ import annotations

import os
import re
import warnings
from hashlib import blake2b
from pathlib import Path

from simulator import trace as traces
from simulator.errors import UsageError
from simulator.pytest_plugin import CheckpointRaceWarning
from simulator.trace import Trace
from simulator.writing import write_whole

DIRECTORY = ".ckptrace"
_LONGEST_NAME = 100


class KeptFailure:
    """The place where the failure of one test is kept."""

    def __init__(self, root: Path, node_id: str) -> None:
        self._directory = root / DIRECTORY
        name = re.sub(r"[^\w.-]+", "-", node_id, flags=re.ASCII).strip("-.")[-_LONGEST_NAME:]
        self.path = self._directory / "failures" / f"{name}-{blake2b(node_id.encode(), digest_size=4).hexdigest()}.json"
        self._loaded: bytes | None = None

    def load(self) -> Trace | None:
        """The failure that is kept, if there is one. Warns of a file that holds none, which then counts as none."""
        try:
            self._loaded = self.path.read_bytes()
        except OSError:
            return None
        try:
            return traces.load(self.path)
        except UsageError as error:
            warnings.warn(CheckpointRaceWarning(f"a kept failure cannot be replayed: {error}"), stacklevel=2)
            return None

    def keep(self, trace: Trace) -> None:
        """Keep this failure in place of any other. Raises UsageError where that is not possible."""
        ignored = self._directory / ".gitignore"
        if not ignored.exists():
            write_whole(ignored, b"# Failures that ckptrace replays first until they pass.\n*\n")
        traces.save(trace, self.path)

    def forget(self) -> None:
        """The test passes the failure that was loaded; another one that was put there meanwhile stays."""
        try:
            if self.path.read_bytes() == self._loaded:
                os.unlink(self.path)
        except OSError:
            return
