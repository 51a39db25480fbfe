"""A copy of a shard in host memory, which later changes of the shard do not reach."""

from __future__ import annotations

from typing import Any

from simulator.campaigns.accelerator.shard import DeviceShard
from simulator.errors import CannotDo


class Snapshot:
    """Pinned buffers for a shard, and the stream that fills them.

    ``begin`` starts the copies and comes back at once. What is queued on the device afterwards waits there until they
    are done, so that training may go on changing the tensors: that wait is the stall. ``wait`` is for whoever uses the
    buffers. On the processor, which has no streams, ``begin`` copies before it comes back. Raises CannotDo where host
    memory has no room.
    """

    def __init__(self, shard: DeviceShard) -> None:
        import torch

        self._shard = shard
        self._on_device = shard.device != "cpu"
        try:
            self._buffers: list[Any] = [
                torch.empty(len(tensor), dtype=tensor.dtype, pin_memory=self._on_device) for tensor in shard.tensors
            ]
        except RuntimeError as error:
            raise CannotDo(
                f"host memory has no room for {shard.shape.size / 1e9:.1f} GB: {str(error).splitlines()[0]}"
            ) from error
        self.tensors = self._buffers
        self._stream: Any = torch.cuda.Stream(shard.device) if self._on_device else None
        self._done: Any = torch.cuda.Event() if self._on_device else None

    def begin(self, *, ordered: bool = True) -> None:
        """Start the copies. Unless ``ordered``, nothing keeps later work from the tensors meanwhile: a mistake.

        On the processor the buffers are then the tensors themselves, which is the same mistake.
        """
        import torch

        self.tensors = self._buffers
        if not self._on_device:
            if ordered:
                for host, tensor in zip(self.tensors, self._shard.tensors, strict=True):
                    host.copy_(tensor)
            else:
                self.tensors = self._shard.tensors
            return
        training = torch.cuda.current_stream(self._shard.device)  # Of another device, it orders nothing.
        self._stream.wait_stream(training)
        with torch.cuda.stream(self._stream):
            for host, tensor in zip(self.tensors, self._shard.tensors, strict=True):
                host.copy_(tensor, non_blocking=True)
            self._done.record(self._stream)
        if ordered:
            training.wait_event(self._done)

    def wait(self) -> None:
        """Until the copies are done."""
        if self._done is not None:
            self._done.synchronize()
