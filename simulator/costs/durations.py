"""What one operation takes: a latency by its kind, and its bytes at the rate of its process for that kind of file."""

from __future__ import annotations

import math
import os
from fnmatch import fnmatchcase

from simulator.costs.model import CostModel
from simulator.operations import (
    AccessCheck,
    Chmod,
    Chown,
    Close,
    Collective,
    Dup,
    Fsync,
    Join,
    Link,
    Lock,
    Mkdir,
    Mkfifo,
    Open,
    Operation,
    Read,
    Readdir,
    Readlink,
    Rename,
    Rmdir,
    Seek,
    Setxattr,
    Sleep,
    Stat,
    Statvfs,
    Symlink,
    Truncate,
    Unlink,
    Utime,
    Write,
)

_METADATA_READS = (AccessCheck, Readdir, Readlink, Stat, Statvfs)
_METADATA_WRITES = (Chmod, Chown, Link, Lock, Mkdir, Mkfifo, Rename, Rmdir, Setxattr, Symlink, Truncate, Unlink, Utime)
_LOCAL = (Dup, Join, Seek)


def size_of(operation: Operation) -> int:
    """The bytes that an operation moves. A read until the end of a file counts as none: its size is not in it."""
    if isinstance(operation, Write):
        return len(operation.data)
    if isinstance(operation, Read):
        return max(operation.size, 0)
    return 0


class Durations:
    """A cost model, made ready for fast look-up. Durations are whole nanoseconds."""

    __slots__ = ("_fixed", "_metadata_read", "_metadata_write", "_model", "_round")

    def __init__(self, model: CostModel) -> None:
        self._model = model
        self._metadata_read = _nanoseconds(model.metadata_read)
        self._metadata_write = _nanoseconds(model.metadata_write)
        self._round = _nanoseconds(model.collective_hop)
        self._fixed: dict[type[Operation], int] = {
            **dict.fromkeys(_METADATA_READS, self._metadata_read),
            **dict.fromkeys(_METADATA_WRITES, self._metadata_write),
            **dict.fromkeys(_LOCAL, 0),
            Read: _nanoseconds(model.data_call),
            Write: _nanoseconds(model.data_call),
            Fsync: _nanoseconds(model.fsync),
            Close: _nanoseconds(model.close),
        }

    def latency(self, operation: Operation) -> int:
        """What the operation takes before, or without, its first byte.

        A collective takes this from the moment at which whom it waits for arrives: ceil(log2 n) rounds, the
        latency term of the usual tree and dissemination algorithms (Thakur, Rabenseifner, Gropp, 2005). Raises
        TypeError for an operation that is not in the vocabulary.
        """
        kind = type(operation)
        fixed = self._fixed.get(kind)
        if fixed is not None:
            return fixed
        if isinstance(operation, Open):
            return self._metadata_write if operation.flags & os.O_CREAT else self._metadata_read
        if isinstance(operation, Sleep):
            return _nanoseconds(max(operation.seconds, 0.0))
        if isinstance(operation, Collective):
            return self._round * (len(operation.group) - 1).bit_length()
        raise TypeError(f"{kind.__name__} has no cost: it is not in the vocabulary")

    def duration(
        self,
        operation: Operation,
        on_node: int = 1,
        in_all: int = 1,
        stream: float | None = None,
        size: int | None = None,
    ) -> int:
        """Latency and bytes, when the load stays as it is.

        ``on_node`` and ``in_all`` are the processes that move bytes in the same direction on this node and in the
        whole job, this one included. ``stream`` is the process's own limit in GB/s (``Streams`` knows it); None: that
        of a plain read or write. ``size`` in bytes, where the operation itself does not tell (a read until the end).
        """
        latency = self.latency(operation)
        kind = type(operation)
        if kind is not Write and kind is not Read:
            return latency
        count = size_of(operation) if size is None else size
        if not count:
            return latency
        model = self._model
        if kind is Write:
            limit = model.write_stream if stream is None else stream
            rate = min(limit, model.write_cap / on_node, model.total_write / in_all)
        else:
            limit = model.read_stream if stream is None else stream
            rate = min(limit, model.read_cap / on_node, model.total_read / in_all)
        return latency + transfer(count, rate)

    def carrying(self, size: int) -> int:
        """How long the bytes that a rank gets in a collective take, beside its rounds."""
        return transfer(size, self._model.nic) if size else 0


def transfer(size: int, rate: float) -> int:
    """Nanoseconds for ``size`` bytes at ``rate`` GB/s, which is bytes a nanosecond."""
    return 0 if math.isinf(rate) else math.ceil(size / rate)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


# safetensors writes beside its target under a name of tempfile's Rust namesake and renames it afterwards.
_SAFETENSORS = ("*.safetensors", ".tmp??????")
_TORCH = ("*.pt", "*.pth", "*.bin", "*.ckpt", "*.distcp")


class Streams:
    """The write rate of each open descriptor, learnt from the paths that were opened.

    Only descriptors whose rate differs from that of a plain write are remembered.
    """

    __slots__ = ("_model", "_rates")

    def __init__(self, model: CostModel) -> None:
        self._model = model
        self._rates: dict[tuple[int, int], float] = {}

    def rate_of(self, path: str) -> float:
        """The rate in GB/s at which one process writes a file of this name."""
        name = os.path.basename(path)
        if any(fnmatchcase(name, pattern) for pattern in _SAFETENSORS):
            return self._model.safetensors_stream
        if any(fnmatchcase(name, pattern) for pattern in _TORCH):
            return self._model.torch_stream
        return self._model.write_stream

    def rate(self, rank: int, fd: int) -> float:
        """The rate in GB/s of a write on a rank's descriptor."""
        return self._rates.get((rank, fd), self._model.write_stream)

    def performed(self, rank: int, operation: Operation, result: object) -> None:
        """Take note of a completed operation and what it gave: for an open and a dup, the descriptor."""
        if isinstance(operation, Open):
            if isinstance(result, int) and operation.flags & os.O_ACCMODE != os.O_RDONLY:
                rate = self.rate_of(operation.path)
                if rate != self._model.write_stream:
                    self._rates[(rank, result)] = rate
        elif isinstance(operation, Dup):
            if isinstance(result, int) and (rank, operation.fd) in self._rates:
                self._rates[(rank, result)] = self._rates[(rank, operation.fd)]
        elif isinstance(operation, Close):
            self._rates.pop((rank, operation.fd), None)
