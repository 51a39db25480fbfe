"""A failure under each kind of fault replays, strictly as well, and a disk confirms it where it can make the fault.

Stale answers are for unmodified programs: ``tests/interposition/test_faults.py`` replays one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

import simulator
from simulator.experiment import Experiment
from simulator.faults import ErrorRule
from simulator.rank import Rank
from simulator.scenario import Cluster, CostChoice, FilesystemChoice, Scenario

DISK, MODEL_ONLY = "confirmed", "model only"


def ends_early(rank: Rank) -> None:
    """Of a first attempt that came to no end, the second one complains; what rank 1 does may come in between."""
    if rank.attempt and rank.index == 0 and (rank.root / "begun").exists() and not (rank.root / "ended").exists():
        (rank.root / "bad").touch()
    if rank.index == 0:
        (rank.root / "begun").touch()
        (rank.root / "ended").touch()
    else:
        for n in range(3):
            (rank.root / f"other-{n}").touch()


def meets_an_error(rank: Rank) -> None:
    fd = os.open(rank.root / f"file-{rank.index}", os.O_WRONLY | os.O_CREAT)
    try:
        written = os.write(fd, b"1234")
    except OSError:
        written = 0
    os.close(fd)
    if written != 4:
        (rank.root / "bad").touch()


def trusts_a_sync(rank: Rank) -> None:
    """On the second attempt the data that was synced before the name was made must be there."""
    if rank.index:
        return
    if rank.attempt:
        if (rank.root / "promise").exists() and (rank.root / "data").read_bytes() != b"1234":
            (rank.root / "bad").touch()
        return
    with open(rank.root / "data", "wb", buffering=0) as file:
        file.write(b"1234")
        os.fsync(file.fileno())
    (rank.root / "promise").touch()
    directory = os.open(rank.root, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def takes_long(rank: Rank) -> None:
    before = time.time()
    (rank.root / f"file-{rank.index}").touch()
    if time.time() - before > 20:
        (rank.root / "bad").touch()


def compares_clocks(rank: Rank) -> None:
    for n in range(20):
        (rank.root / f"file-{rank.index}-{n % 2}").touch()
    first = rank.broadcast(time.time() if rank.index == 0 else None)
    if abs(first - time.time()) > 20:
        (rank.root / "bad").touch()


def no_bad(world: Any) -> str | None:
    return "bad is there" if (world.root / "bad").exists() else None


Faults = simulator.Faults
FAULTS: dict[str, tuple[Callable[[Rank], None], dict[str, Any], str]] = {
    "kills": (ends_early, {"kills": 1}, DISK),
    "node_kills": (ends_early, {"node_kills": 1}, DISK),
    "node_hangs": (ends_early, {"node_hangs": 1}, DISK),
    "power_losses": (ends_early, {"power_losses": 1}, MODEL_ONLY),
    "errors fail": (meets_an_error, {"errors": (ErrorRule("write", "EIO"),)}, DISK),
    "errors short": (meets_an_error, {"errors": (ErrorRule("write", effect="short"),)}, DISK),
    "errors lie": (
        trusts_a_sync,
        {"errors": (ErrorRule("fsync", effect="lie", path="data"),), "power_losses": 1},
        MODEL_ONLY,
    ),
    "errors slow": (takes_long, {"errors": (ErrorRule("open", effect="slow", seconds=30.0),)}, DISK),
    "errors hang": (ends_early, {"errors": (ErrorRule("open", effect="hang", path="ended"),)}, DISK),
    "slow_ranks": (takes_long, {"slow_ranks": 1, "slow_factor": 1e9}, DISK),
    "clock_skew": (compares_clocks, {"clock_skew": 60.0}, DISK),
    "clock_drift": (compares_clocks, {"clock_drift": 1e8}, DISK),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_under_each_kind_of_fault_replays_strictly_and_is_confirmed(fault: str) -> None:
    program, budget, outcome = FAULTS[fault]
    durable = FilesystemChoice(persistence="ext4") if "power_losses" in budget else FilesystemChoice()
    costs = CostChoice("lustre") if "slow_ranks" in budget else CostChoice()

    def found(schedules: int, **faults: Any) -> Any:
        scenario = Scenario(
            cluster=Cluster(2, 1),
            filesystem=durable,
            costs=costs,
            faults=Faults(job_death=False, **faults),
            restarts=1,
            program="given",
        )
        experiment = Experiment(scenario, programs=[program] * 2, checks=[no_bad])
        return simulator.explore(experiment, schedules=schedules, seed=1).failure

    failure = found(3000, **budget)
    assert failure is not None
    spared = {"power_losses": 1} if fault == "errors lie" else {}
    assert found(50, **spared) is None, "it is the fault that makes it fail"
    kinds = {kind for _, kind, _, _ in failure.trace.choices().choices}
    assert kinds - {"schedule", "end"}
    for strict in (False, True):
        again = simulator.replay(failure.trace, strict=strict)
        assert (again.digest, again.reason) == (failure.trace.digest, None)
    confirmation = simulator.confirm(failure.trace)
    assert confirmation.outcome == outcome, confirmation.text
