"""The order of what is queued on streams, held by a stand-in for the functions of ``torch.cuda`` that are used.

The shard lies on the processor, and says that it is on ``cuda:1``: what is asked of another device than that is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from simulator.campaigns.accelerator import campaign, overlapping
from simulator.campaigns.accelerator.campaign import device_said
from simulator.campaigns.accelerator.saving import SavedShard
from simulator.campaigns.accelerator.shard import DeviceShard, ShardShape, Snapshot
from simulator.errors import CannotDo, UsageError

DEVICE = "cuda:1"


class Streams:
    """Writes down what is asked of streams and events, each with its name."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.active = "training"

    def named(self, name: str) -> Any:
        def note(text: str) -> None:
            self.log.append(f"{name} {text}")

        return SimpleNamespace(
            name=name,
            wait_stream=lambda other: note(f"waits for {other.name}"),
            wait_event=lambda event: note(f"waits for {event.name}"),
            synchronize=lambda: note("synchronised"),
            record=lambda stream: note(f"recorded on {stream.name}"),
        )

    def of(self, device: str | None = None) -> Any:
        return self.named("training" if device == DEVICE else f"a stream of {device}")

    @contextmanager
    def on(self, stream: Any) -> Iterator[None]:
        before, self.active = self.active, stream.name
        yield
        self.active = before


class Buffer:
    """Stands for a pinned buffer."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def copy_(self, tensor: Any, non_blocking: bool = False) -> None:
        self._streams.log.append(f"{self._streams.active} copies{'' if non_blocking else ', blocking'}")


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    made = Streams()
    monkeypatch.setattr(torch.cuda, "Stream", lambda device=None: made.named(f"copying on {device}"))
    monkeypatch.setattr(torch.cuda, "Event", lambda: made.named("done"))
    monkeypatch.setattr(torch.cuda, "current_stream", made.of)
    monkeypatch.setattr(torch.cuda, "stream", made.on)
    return made


def snapshot_of(streams: Streams, monkeypatch: pytest.MonkeyPatch) -> tuple[DeviceShard, Snapshot]:
    shard = DeviceShard(ShardShape((10,)), "cpu")
    shard.fill(1)
    shard.device = DEVICE
    with monkeypatch.context() as patch:
        patch.setattr(torch, "empty", lambda *length, pin_memory, **rest: Buffer(streams))
        return shard, Snapshot(shard)


COPIES = [
    f"copying on {DEVICE} waits for training",
    *[f"copying on {DEVICE} copies"] * 3,
    f"done recorded on copying on {DEVICE}",
]


def test_copies_wait_for_training_and_training_for_the_copies(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, snapshot = snapshot_of(streams, monkeypatch)
    snapshot.begin()
    assert streams.log == [*COPIES, "training waits for done"]
    snapshot.wait()
    assert streams.log[-1] == "done synchronised", "whoever uses the buffers waits for the copies"


def test_without_order_the_training_stream_does_not_wait(streams: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    _, snapshot = snapshot_of(streams, monkeypatch)
    snapshot.begin(ordered=False)
    assert streams.log == COPIES


def test_the_writer_waits_for_the_copies_and_its_failure_is_raised(
    streams: Streams, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def save(state: Any, path: Path) -> None:
        assert "done synchronised" in streams.log
        raise RuntimeError("PytorchStreamWriter failed writing file")

    shard, snapshot = snapshot_of(streams, monkeypatch)
    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(RuntimeError, match="failed writing file"):
        overlapping.overlap(shard, snapshot, tmp_path / "saved.pt")
    assert "training synchronised" in streams.log
    assert not [said for said in streams.log if said.startswith("a stream of")]


def test_a_device_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(CannotDo, match="no device cuda:7: there are 1"):
        device_said("cuda:7")
    with pytest.raises(UsageError, match="device: must be cuda, cuda:N or cpu, is 'cuda:x'"):
        device_said("cuda:x")


def test_memory_that_is_used_up_on_the_way_is_one_line() -> None:
    said = "failed: CUDA out of memory"
    with pytest.raises(CannotDo, match=said), campaign._failures_said():
        raise torch.OutOfMemoryError("CUDA out of memory\nmore")


def test_a_control_that_shows_no_difference_is_a_problem() -> None:
    saved = SavedShard("staged-barrier", 0, 3, "optim_states.pt", 10, 0)
    ordered = overlapping.Overlapped(True, 3, 1.0, 0.1, 0, 6, 6)
    for wrong, problems in ((1, 0), (0, 1)):
        control = overlapping.Overlapped(False, 3, 1.0, 0.1, wrong, 6, 6)
        assert len(campaign._problems(saved, ordered, control)) == problems
