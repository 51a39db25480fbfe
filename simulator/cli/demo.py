"""``ckptrace demo``."""

from __future__ import annotations


def demo() -> int:
    """Reproduce the incident."""
    raise NotImplementedError
