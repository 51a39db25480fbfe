"""The functions of the operating system as they were before the boundary replaced any of them.

Kept at the bottom of the house because the real file system, which lies below the boundary, needs them. Import this
module before anything is patched; nothing here may be called on behalf of code under test except by a file system.
"""

from __future__ import annotations

import builtins
import fcntl
import functools
import io
import os
import random
import time
from collections.abc import Callable
from typing import Any

OS: dict[str, Any] = {name: getattr(os, name) for name in dir(os) if callable(getattr(os, name))}
"""Every callable of ``os`` by name."""

TIME: dict[str, Callable[..., Any]] = {
    name: getattr(time, name)
    for name in (
        "time",
        "time_ns",
        "monotonic",
        "monotonic_ns",
        "perf_counter",
        "perf_counter_ns",
        "sleep",
    )
}
KERNEL: dict[str, Callable[..., Any]] = {
    "clock_gettime_ns": time.clock_gettime_ns,
    "fcntl": fcntl.fcntl,
    "flock": fcntl.flock,
}
"""What the real file system needs beside ``os``."""

RANDOM: dict[str, Callable[..., Any]] = {
    name: getattr(random, name)
    for name in dir(random)
    if getattr(getattr(random, name), "__self__", None) is getattr(random, "_inst", object())
}
"""The module-level functions of ``random``, which are bound methods of one hidden generator."""

strerror = functools.cache(os.strerror)
"""Remembers the messages: the C library decodes its text anew each time, as long as it takes to make an OSError."""

open_file = builtins.open
FileIO = io.FileIO
