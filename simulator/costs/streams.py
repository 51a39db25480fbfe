"""How fast one process can write a file, by what writes it: serialising costs more than copying."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase

from simulator.costs.model import CostModel
from simulator.operations import Close, Dup, Open, Operation

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
