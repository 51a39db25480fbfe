"""Run a command the way a user would: in a clean environment, from a directory of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def run(*command: str | Path, cwd: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and keep what it printed; ``changes`` are environment variables.

    Variables that would put other packages first, or that belong to the running test, are not handed on.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE", "PYTEST"))}
    return subprocess.run(
        command, cwd=cwd, env=kept | changes, capture_output=True, text=True, timeout=280, check=False
    )
