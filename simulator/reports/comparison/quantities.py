"""Durations, sizes and shares as people read them."""

from __future__ import annotations

import math

_UNITS = ((365.25 * 86_400.0, "years"), (86_400.0, "days"), (3_600.0, "h"), (60.0, "min"))


def duration(seconds: float) -> str:
    """``0.04 s``, ``377 s``, ``9.8 h``, ``4.9 years``: two digits or more, in the unit that is read at a glance."""
    if math.isinf(seconds):
        return "never"
    if not seconds:
        return "0 s"
    for size, unit in _UNITS:
        if seconds >= (10 * size if unit == "min" else 2 * size):
            return f"{seconds / size:,.{0 if seconds >= 100 * size else 1}f} {unit}"
    if seconds >= 100:
        return f"{seconds:,.0f} s"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.3f} s"


def size(count: float) -> str:
    """``146.8 GB``, of 1e9 bytes."""
    for scale, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= scale:
            return f"{count / scale:,.{2 if unit == 'TB' else 1}f} {unit}"
    return f"{count:.0f} B"


def share(part: float) -> str:
    """``97.85 %``."""
    return f"{100 * part:.2f} %"


def rate(gigabytes: float) -> str:
    """``1.25 GB/s``."""
    return f"{gigabytes:.2f} GB/s"
