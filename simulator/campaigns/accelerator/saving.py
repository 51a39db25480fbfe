"""A strategy saves one rank's real shard on a real disk, while the other ranks are simulated beside it.

All ranks run in this process and act on a real directory. The chosen rank writes its tensors through ``torch.save``;
what the others write is sparse.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from simulator.boundary import installed
from simulator.campaigns.accelerator.bandwidth import read_back
from simulator.campaigns.accelerator.shard import DeviceShard, Snapshot, differing
from simulator.engines.conditions import Conditions
from simulator.engines.greenlets import greenlet_engine
from simulator.engines.interface import Engine
from simulator.errors import CannotDo
from simulator.experiment import ROOT, Experiment
from simulator.filesystems import Filesystem
from simulator.filesystems.real import RealDirectory
from simulator.invariants.violation import text_of
from simulator.run import execute
from simulator.scenario import Budgets, Cluster, Scenario, StrategyChoice, Workload
from simulator.schedulers.replay import TapeReplay
from simulator.state import Stamp
from simulator.tape import Tape

_OPERATIONS_PER_RANK = 5_000
_WALL_SECONDS = 3_600.0


class SavedShard(msgspec.Struct, frozen=True):
    """What was on the disk afterwards. Of the real shard's ``size`` bytes, ``wrong`` chunks were not what was saved."""

    strategy: str
    rank: int
    simulated: int
    path: str
    size: int
    wrong: int


def save_with_strategy(
    strategy: StrategyChoice,
    workload: Workload,
    cluster: Cluster,
    rank: int,
    shard: DeviceShard,
    snapshot: Snapshot,
    directory: Path,
) -> SavedShard:
    """Save one checkpoint below an empty ``directory`` and read the real shard back.

    Raises UsageError for a job that makes no sense, CannotDo when a rank raises or the job does not end.
    """
    experiment = Experiment(
        Scenario(
            cluster=cluster,
            workload=msgspec.structs.replace(workload, form="sparse", steps=1, save_every=1, step_seconds=0.0),
            strategy=strategy,
            budgets=Budgets(operations=_OPERATIONS_PER_RANK * cluster.world_size, wall_seconds=_WALL_SECONDS),
        )
    )
    bound = experiment.bound
    assert bound is not None
    (spec,) = [spec for spec in bound.specs if spec.role == "optimizer" and spec.writer == rank]
    bound.put_form(spec.name, _Tensors(shard, snapshot))
    disk = RealDirectory(directory)

    def engine(filesystem: Filesystem, conditions: Conditions) -> Engine:
        return greenlet_engine(filesystem, experiment.ranks(), conditions)

    with installed():
        run = execute(disk, engine, TapeReplay(Tape()), budgets=experiment.scenario.budgets)
    if run.incomplete is not None:
        raise CannotDo(f"the save did not end: {run.incomplete}")
    for number, ending in sorted(run.attempts[0].endings.items()):
        if ending.error is not None:
            raise CannotDo(f"rank {number} raised {text_of(ending.error, ROOT)}")
    found = [path for path in sorted(directory.rglob("*")) if spec in bound.names.of(str(path.relative_to(directory)))]
    if len(found) != 1:
        raise CannotDo(f"{spec.name}: {len(found)} files of this name lie on the disk, expected was one")
    return SavedShard(
        strategy=strategy.name,
        rank=rank,
        simulated=cluster.world_size - 1,
        path=str(found[0].relative_to(directory)),
        size=os.stat(found[0]).st_size,
        wrong=differing(read_back(found[0]), shard.version, shard.device),
    )


class _Tensors:
    """The form of the real shard's file: what lies in the snapshot, as DeepSpeed would save it."""

    def __init__(self, shard: DeviceShard, snapshot: Snapshot) -> None:
        self._shard = shard
        self._snapshot = snapshot

    def write(self, path: str, stamp: Stamp, size: int) -> None:
        """See ``state.Form``."""
        import torch

        torch.save(self._shard.state(self._snapshot.tensors), path)

    def read(self, path: str, name: str, size: int) -> Stamp:
        """See ``state.Form``. Only whether the file is there: its tensors are compared when the job has ended."""
        os.stat(path)
        return Stamp(name, self._shard.version)

    def checksum(self, stamp: Stamp, size: int) -> str:
        """See ``state.Form``: a name for the content, which is known by its version."""
        return f"{stamp.name}-{stamp.version}-{size}"
