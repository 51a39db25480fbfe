"""Memory maps of simulated files: refused, as reads and writes through memory cannot be held."""

from __future__ import annotations

import mmap
from typing import Any, Final

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, refuse_call
from simulator.filesystems.interface import FIRST_DESCRIPTOR

_mmap = mmap.mmap


def map_memory(caller: Caller, fileno: int, length: int, *arguments: Any, **keywords: Any) -> Any:
    """As ``mmap.mmap`` for anonymous memory and for what lies outside the root; an escape for a simulated file."""
    if fileno >= FIRST_DESCRIPTOR:
        refuse_call(caller, "mmap.mmap", fileno, length)
    return _mmap(fileno, length, *arguments, **keywords)


CLASSES: Final[dict[str, Simulated]] = {"mmap:mmap": map_memory}
