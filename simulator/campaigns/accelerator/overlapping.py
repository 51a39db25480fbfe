"""A save that goes on while training does, and whether what is written changes with the tensors.

The shard is copied to the host and written by a thread, while training steps change every element on the device. What
is read back must be the shard as it was when the copy began, for an ordered snapshot; the same without the order that
keeps training from the tensors until they are copied is the control, which shows that a difference would be seen.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import msgspec

from simulator.campaigns.accelerator.bandwidth import read_back
from simulator.campaigns.accelerator.shard import DeviceShard, Snapshot, chunks_in, differing

_LEAST_STEPS = 3


class Overlapped(msgspec.Struct, frozen=True):
    """``steps`` of training changed every element while the save went on, for ``seconds``.

    ``wrong`` chunks of what was written were not as they had been when the save began; ``changed`` chunks on the device
    were not so any more in the end, which is what they should be. ``stalled`` is how long the first step was held up.
    """

    ordered: bool
    steps: int
    seconds: float
    stalled: float
    wrong: int
    changed: int
    chunks: int


def overlap(shard: DeviceShard, snapshot: Snapshot, path: Path, *, ordered: bool = True) -> Overlapped:
    """Begin a save of the shard's present version, train until it has been written to ``path``, and read it back.

    Raises what the save raises.
    """
    import torch

    def synchronise() -> None:
        if shard.device != "cpu":
            torch.cuda.current_stream(shard.device).synchronize()

    def save() -> None:
        try:
            snapshot.wait()
            torch.save(shard.state(snapshot.tensors), path)
        except Exception as error:
            failures.append(error)

    failures: list[Exception] = []
    version = shard.version
    synchronise()
    started = time.perf_counter()
    snapshot.begin(ordered=ordered)
    if not ordered and shard.device == "cpu":
        _step(shard)  # Without streams the save would mostly be over before anything changes.
    writer = threading.Thread(target=save)
    writer.start()
    steps, stalled = 0, 0.0
    while writer.is_alive() or steps < _LEAST_STEPS:
        _step(shard)
        steps += 1
        if steps == 1:
            synchronise()
            stalled = time.perf_counter() - started
        if steps % 16 == 0:
            synchronise()  # Or the queue of steps would grow without bound.
    writer.join()
    synchronise()
    if failures:
        raise failures[0]  # Of a thread, it would be printed, and a file that is not whole read back.
    seconds = time.perf_counter() - started
    return Overlapped(
        ordered=ordered,
        steps=steps,
        seconds=seconds,
        stalled=stalled,
        wrong=differing(read_back(path), version, shard.device),
        changed=differing(shard.tensors, version, shard.device),
        chunks=chunks_in(shard.shape),
    )


def _step(shard: DeviceShard) -> None:
    """What stands for a training step: every element changes."""
    for tensor in shard.tensors:
        tensor.add_(1.0)
