"""How much of what a job wrote it also synced: what is not may be gone after a loss of power."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from simulator.engines.interface import Step
from simulator.operations import Close, Dup, Fsync, Open, Rename, Write


class Synced(msgspec.Struct, frozen=True):
    """Bytes written, and those of them in files that were synced after their last write."""

    written: int
    synced: int

    @property
    def everything(self) -> bool:
        """Whether nothing that was written is left to the kernel's write-back."""
        return self.synced == self.written


def synced(steps: Sequence[Step]) -> Synced:
    """What the ranks of one attempt synced, by the same rank, through any descriptor of the same file.

    Whether the names were synced too is not looked at: the faults of power loss judge that.
    """
    paths: dict[tuple[int, int], str] = {}
    pending: dict[tuple[int, str], int] = {}
    written = durable = 0
    for step in steps:
        if step.error is not None:
            continue
        rank, operation = step.rank, step.operation
        match operation:
            case Open(path=path):
                paths[rank, step.value] = path
            case Dup(fd=fd) if (rank, fd) in paths:
                paths[rank, step.value] = paths[rank, fd]
            case Close(fd=fd):
                paths.pop((rank, fd), None)
            case Write(fd=fd) if (rank, fd) in paths:
                written += step.value
                key = (rank, paths[rank, fd])
                pending[key] = pending.get(key, 0) + step.value
            case Fsync(fd=fd) if (rank, fd) in paths:
                durable += pending.pop((rank, paths[rank, fd]), 0)
            case Rename(source=source, target=target) if (rank, source) in pending:
                pending[rank, target] = pending.pop((rank, source))
            case _:
                pass
    return Synced(written, durable)
