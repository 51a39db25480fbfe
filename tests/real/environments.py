"""Environments of their own for released libraries, made once with pip and kept beside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PLACE = Path(os.environ.get("CKPTRACE_REAL_ENVIRONMENTS") or Path(__file__).parents[2] / ".real-environments")
_TORCH = "torch==2.13.0"


def python_with(name: str, *requirements: str) -> str:
    """The interpreter of an environment that holds torch and these; see ``environment_with``."""
    return environment_with(name, _TORCH, *requirements)


def environment_with(name: str, *requirements: str) -> str:
    """The interpreter of an environment that holds these; skips the test, with the reason, where pip gets none."""
    place = _PLACE / name
    done = place / "installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        called = subprocess.run(
            [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements],
            capture_output=True,
            text=True,
            check=False,
        )
        if called.returncode:
            pytest.skip(f"pip installs no {' '.join(requirements)}: {called.stderr.strip().splitlines()[-1]}")
        done.touch()
    return str(place / "bin" / "python")


def transformers(version: str) -> str:
    """The interpreter of an environment with that release of transformers."""
    beside = ("accelerate==0.25.0", "numpy<2") if version.startswith("4.3") else ("accelerate",)
    return python_with(f"transformers-{version}", f"transformers=={version}", *beside)
