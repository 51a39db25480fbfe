"""All that is done with one shard on one device, in order, and what came out."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from simulator.campaigns.accelerator.bandwidth import Bench, Measured
from simulator.campaigns.accelerator.overlapping import Overlapped, overlap
from simulator.campaigns.accelerator.saving import SavedShard, save_with_strategy
from simulator.campaigns.accelerator.shard import DeviceShard, ShardShape, Snapshot, check_room, shard_shape
from simulator.campaigns.replay.disk import filesystem_type
from simulator.errors import CannotDo, UsageError
from simulator.forms import torch_for
from simulator.layouts import shape_of
from simulator.scenario import Cluster, StrategyChoice, Workload

Told = Callable[[str], None]
"""Called with what is done next."""

_FIRST = 1


class DeviceReport(msgspec.Struct, frozen=True):
    """``device`` in words, ``size`` bytes of the shard. ``overlapped`` are the ordered save and its control.

    ``problems`` says, a line each, what was not as it should be.
    """

    device: str
    filesystem: str
    world_size: int
    size: int
    groups: list[int]
    measured: list[Measured]
    saved: SavedShard
    overlapped: list[Overlapped]
    problems: list[str]


def run_on_device(
    workload: Workload,
    cluster: Cluster,
    strategy: StrategyChoice,
    *,
    device: str = "cuda",
    rank: int = 0,
    directory: Path | None = None,
    told: Told = lambda said: None,
) -> DeviceReport:
    """Allocate the rank's true shard, copy it, save it, time all that, and check the content after reading back.

    ``directory`` is on the disk that is measured (None: a temporary one); nothing is left there. Raises UsageError for
    a job that makes no sense, CannotDo without the device, or without room for the shard in it, in host memory, or on
    the disk.
    """
    model = shape_of(workload)
    if model is None or workload.layout != "trainer-zero3":
        raise UsageError(
            f"workload.layout: must be trainer-zero3, of which a rank's shard is known, is {workload.layout!r}"
        )
    if not 0 <= rank < cluster.world_size:
        raise UsageError(f"rank: must be from 0 to {cluster.world_size - 1}, is {rank}")
    name = device_said(device)
    shape = shard_shape(model, cluster.world_size, bool(workload.frozen))
    with _place(directory, shape, device) as place, _failures_said():
        told(f"allocating {shape.size / 1e9:.1f} GB")
        shard = DeviceShard(shape, device)
        shard.fill(_FIRST)
        snapshot = Snapshot(shard)
        bench = Bench(shard, snapshot, place)
        for said, measure in (
            ("copying", bench.device),
            ("serialising", bench.serialisers),
            ("writing and reading", bench.disk),
        ):
            snapshot.begin()
            snapshot.wait()
            told(said)
            measure()
        told(f"saving with {strategy.name}, {cluster.world_size - 1} ranks simulated")
        root = place / "root"
        root.mkdir()
        saved = save_with_strategy(strategy, workload, cluster, rank, shard, snapshot, root)
        shutil.rmtree(root)
        overlapped = []
        for ordered in (True, False):
            told("saving while training goes on" + ("" if ordered else ", without order: the control"))
            path = place / "overlapped.pt"
            overlapped.append(overlap(shard, snapshot, path, ordered=ordered))
            path.unlink()
            shard.fill(shard.version + 1)
        filesystem = filesystem_type(place)
    return DeviceReport(
        device=name,
        filesystem=filesystem,
        world_size=cluster.world_size,
        size=shape.size,
        groups=list(shape.groups),
        measured=bench.found,
        saved=saved,
        overlapped=overlapped,
        problems=_problems(saved, *overlapped),
    )


def device_said(device: str) -> str:
    """The device in words. Raises CannotDo where it is not there, UsageError for one of another kind."""
    torch = torch_for("ckptrace gpu")
    if device == "cpu":
        return "the processor (no accelerator)"
    if device.partition(":")[0] != "cuda":
        raise UsageError(f"device: must be cuda, cuda:N or cpu, is {device!r}")
    if not torch.cuda.is_available():
        raise CannotDo(f"no CUDA device (torch {torch.__version__}); --device cpu tries everything on the processor")
    try:
        index = torch.device(device).index or 0
    except RuntimeError as error:
        raise UsageError(f"device: must be cuda, cuda:N or cpu, is {device!r}") from error
    if index >= torch.cuda.device_count():
        raise CannotDo(f"no device {device}: there are {torch.cuda.device_count()}, counted from 0")
    properties = torch.cuda.get_device_properties(device)
    return f"{properties.name}, {properties.total_memory / 1e9:.0f} GB"


def _place(directory: Path | None, shape: ShardShape, device: str) -> _Place:
    where = Path(tempfile.gettempdir()) if directory is None else directory
    if not where.is_dir():
        raise UsageError(f"{where}: no such directory")
    check_room(where, shape, device)
    return _Place(where)


@contextmanager
def _failures_said() -> Iterator[None]:
    """Memory or a disk that is used up on the way is no fault of this program: raise CannotDo."""
    try:
        yield
    except (OSError, RuntimeError, MemoryError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise CannotDo(f"the device, host memory or the disk failed: {first}") from error


class _Place:
    """A directory of its own, as a path; gone in the end."""

    def __init__(self, where: Path) -> None:
        self._held = tempfile.TemporaryDirectory(dir=where, prefix=".ckptrace-gpu-")

    def __enter__(self) -> Path:
        return Path(self._held.__enter__())

    def __exit__(self, *error: object) -> None:
        self._held.cleanup()


def _problems(saved: SavedShard, ordered: Overlapped, control: Overlapped) -> list[str]:
    found = []
    if saved.wrong:
        found.append(f"{saved.path}: {saved.wrong} chunks are not what {saved.strategy} was given to save")
    if ordered.wrong:
        found.append(
            f"{ordered.wrong} of {ordered.chunks} chunks that were saved while training went on are not of the step "
            "at which the save began"
        )
    if ordered.changed != ordered.chunks:
        found.append("training changed nothing while the save went on, so nothing is proved")
    if not control.wrong:
        found.append("the control without order was written right as well, so nothing is proved: try a larger shard")
    return found
