"""Whether a machine has room for a shard: on its disk, and for the copies of it in host memory."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from simulator.campaigns.accelerator.shard import ELEMENT_BYTES, PARTS, ShardShape
from simulator.errors import CannotDo

_ON_DISK: Final = 1.1
"""How much more than one shard the disk must have room for: files are there one after the other."""
_MEMORY: Final = Path("/proc/meminfo")
_LIMIT: Final = Path("/sys/fs/cgroup/memory.max")
_USED: Final = Path("/sys/fs/cgroup/memory.current")


def check_room(where: Path, shape: ShardShape, device: str) -> None:
    """Raise CannotDo, saying what is there and what is needed, before anything is allocated.

    What runs out of host memory later is killed by the kernel without a word.
    """
    free = shutil.disk_usage(where).free
    if free < _ON_DISK * shape.size:
        raise CannotDo(f"{where}: {free / 1e9:.1f} GB are free, a shard of {shape.size / 1e9:.1f} GB needs more")
    available, needed = available_memory(), host_bytes(shape, device)
    if available is not None and available < needed:
        raise CannotDo(
            f"host memory: {available / 1e9:.1f} GB are available, a shard of {shape.size / 1e9:.1f} GB needs "
            f"{needed / 1e9:.1f} GB; with more ranks it is smaller"
        )


def host_bytes(shape: ShardShape, device: str) -> int:
    """What a run needs at the most: the snapshot, what safetensors makes of it, and the shard itself without a device.

    torch rounds pinned memory up to powers of two, tensor by tensor (``torch.cuda`` notes, pinned memory allocator).
    """
    if device == "cpu":
        return 3 * shape.size
    pinned = sum(1 << (ELEMENT_BYTES * length - 1).bit_length() for length in shape.groups) * len(PARTS)
    return pinned + shape.size


def available_memory() -> int | None:
    """Bytes that can be allocated here, without swapping and within the limits of a container; None if not known."""
    found = []
    with suppress(OSError, ValueError, IndexError, StopIteration):
        lines = _MEMORY.read_text(encoding="ascii").splitlines()
        found.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")))
    with suppress(OSError, ValueError):
        found.append(int(_LIMIT.read_text(encoding="ascii")) - int(_USED.read_text(encoding="ascii")))
    return min(found, default=None)
