"""Failures of operations, as the kernel reports them."""

from __future__ import annotations

from simulator.originals import strerror


def failure(code: int) -> OSError:
    """The exception for an errno (OSError's subclass, such as FileNotFoundError), without file names."""
    return OSError(code, strerror(code))
