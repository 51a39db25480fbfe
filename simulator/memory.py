"""How much memory there is, asked before anything large is allocated.

What runs out of memory later is killed by the kernel without a word.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/proc/meminfo")
_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
_USED: Final = Path("/sys/fs/cgroup/memory.current")
_OWN: Final = Path("/proc/self/statm")


def available_memory() -> int | None:
    """Bytes that can be allocated here, without swapping and within the limits of a container and of the process.

    None if not known.
    """
    found = []
    with suppress(OSError, ValueError, IndexError, StopIteration):
        lines = _MEMORY.read_text(encoding="ascii").splitlines()
        found.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")))
    with suppress(OSError, ValueError):
        found.append(int(_LIMIT.read_text(encoding="ascii")) - int(_USED.read_text(encoding="ascii")))
    with suppress(OSError, ValueError, IndexError):
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            mapped = int(_OWN.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
            found.append(limit - mapped)
    return min(found, default=None)
