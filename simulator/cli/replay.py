"""``ckptrace replay``."""

from __future__ import annotations

from simulator.cli.options import TraceFile


def replay(trace: TraceFile) -> int:
    """Run a recorded failure again."""
    raise NotImplementedError
