"""A failure of the model is confirmed on a real disk, or the difference is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

import simulator
from simulator.campaigns.replay.disk import filesystem_type
from simulator.errors import UsageError
from simulator.rank import Rank
from simulator.scenario import Cluster, FilesystemChoice, Scenario, StrategyChoice, Workload
from simulator.trace import Trace
from tests.engines.jobs import IN_MEMORY, ON_DISK, empty_directory


def renames_twice(rank: Rank) -> None:
    staging = rank.root / "tmp-1"
    os.makedirs(staging, exist_ok=True)
    (staging / f"shard{rank.index}").write_bytes(b"x")
    rank.barrier()
    if staging.exists():
        os.rename(staging, rank.root / "final-1")


def loses_the_last(rank: Rank) -> None:
    """Deletes the only checkpoint before the next one is whole."""
    for step in (1, 2):
        target = rank.root / f"checkpoint-{step}"
        if rank.index == 0:
            if step == 2:
                os.unlink(rank.root / "checkpoint-1" / "data")
                os.rmdir(rank.root / "checkpoint-1")
            target.mkdir()
            (target / "data").write_bytes(b"data")
        rank.barrier()
        rank.saved(step)


def newest_by_time(root: Path) -> Path | None:
    found = sorted(root.iterdir(), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else None


def test_an_error_is_confirmed_where_the_same_rank_raises_it() -> None:
    failure = simulator.explore(renames_twice, schedules=200).failure
    assert failure is not None
    with empty_directory() as directory:
        confirmation = simulator.confirm(failure, directory=directory)
        assert confirmation.text == f"confirmed on {filesystem_type(ON_DISK)}"
        assert os.listdir(directory) == [], "nothing is left there"
    assert simulator.confirm(failure.trace, directory=IN_MEMORY).text == "confirmed on tmpfs"


def test_what_holds_at_an_instant_is_judged_on_the_disk_at_that_instant() -> None:
    failure = simulator.explore(loses_the_last, pick=newest_by_time, schedules=10).failure
    assert failure is not None
    assert failure.invariant in ("keep", "complete")
    assert simulator.confirm(failure).outcome == "confirmed"


@pytest.mark.parametrize("name", ["transformers-4.36.0", "transformers-4.36.1", "transformers-4.38"])
def test_failures_of_strategies_are_confirmed_over_kills_and_restarts(name: str) -> None:
    scenario = Scenario(
        cluster=Cluster(2, 2),
        strategy=StrategyChoice(name),
        workload=Workload(steps=3, keep=1),
        faults=simulator.Faults(kills=1),
        restarts=1,
    )
    failure = simulator.explore(scenario, schedules=300).failure
    assert failure is not None
    confirmation = simulator.confirm(failure)
    assert confirmation.outcome == "confirmed", confirmation.text


def test_a_fault_that_strikes_an_operation_is_confirmed() -> None:
    def program(rank: Rank) -> None:
        (rank.root / f"file{rank.index}").write_bytes(b"data")

    rules = simulator.Faults(errors=(simulator.ErrorRule("write", "ENOSPC"),))
    failure = simulator.explore(program, faults=rules, schedules=50).failure
    assert failure is not None
    assert "No space left on device" in failure.error
    assert simulator.confirm(failure).outcome == "confirmed"


def test_a_users_own_invariant_is_judged_on_the_disk() -> None:
    def program(rank: Rank) -> None:
        (rank.root / f"file{rank.index}").touch()

    def at_most_one_file(world: Any) -> str | None:
        return "two files" if len(os.listdir(world.root)) > 1 else None

    failure = simulator.explore(program, invariants=[at_most_one_file], schedules=10).failure
    assert failure is not None
    assert failure.invariant == "at_most_one_file"
    assert simulator.confirm(failure).outcome == "confirmed"


def _altered(trace: Trace, change: Any) -> Trace:
    """The same recording with another result of its last step, as a wrong model would give."""
    attempts = list(trace.attempts)
    events = list(attempts[-1].events)
    events[-1] = msgspec.structs.replace(events[-1], **change)
    attempts[-1] = msgspec.structs.replace(attempts[-1], events=events)
    altered = msgspec.structs.replace(trace, attempts=attempts)
    altered.remember(trace.remembered())
    return altered


def test_a_difference_between_model_and_disk_names_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = simulator.explore(renames_twice, schedules=200).failure
    assert failure is not None
    from simulator.filesystems.posix.model import PosixModel
    from simulator.operations import Rename

    perform = PosixModel.perform

    def wrong(self: PosixModel, rank: int, operation: Any, now: int = 0) -> Any:
        try:
            return perform(self, rank, operation, now)
        except OSError as error:
            if isinstance(operation, Rename):
                raise OSError(13, "Permission denied") from None
            raise error

    monkeypatch.setattr(PosixModel, "perform", wrong)
    found = simulator.explore(renames_twice, schedules=200).failure
    assert found is not None
    confirmation = simulator.confirm(found)
    assert confirmation.outcome == "disagree"
    last = len(found.trace.attempts[0].events) - 1
    assert f"disagree: step {last}: the model has rank" in confirmation.text
    assert "EACCES, the disk has rank" in confirmation.text
    assert "failing with ENOENT" in confirmation.text


def test_a_recording_that_the_model_does_not_repeat_is_no_confirmation() -> None:
    failure = simulator.explore(renames_twice, schedules=200).failure
    assert failure is not None
    with pytest.raises(simulator.errors.Divergence, match=r"the recording has .* failing with EIO, this run has"):
        simulator.confirm(_altered(failure.trace, {"error": "EIO"}))


def test_what_a_local_disk_cannot_do_is_model_only() -> None:
    failure = simulator.explore(renames_twice, schedules=200).failure
    assert failure is not None
    trace = failure.trace
    stale = msgspec.structs.replace(trace, tape=[*trace.tape, (0, "stale", 0, 0, 1)])
    stale.remember(trace.remembered())
    confirmation = simulator.confirm(stale)
    assert (confirmation.outcome, confirmation.filesystem) == ("model only", None)
    assert "'stale'" in confirmation.text


def test_a_directory_that_is_not_there_is_named() -> None:
    failure = simulator.explore(renames_twice, schedules=200).failure
    assert failure is not None
    with pytest.raises(UsageError, match="/no/such/place: No such file or directory"):
        simulator.confirm(failure, directory="/no/such/place")


def test_the_profile_is_named_where_it_does_what_no_disk_does(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = simulator.explore(renames_twice, schedules=200).failure
    assert failure is not None
    experiment: Any = failure.trace.remembered()
    scenario = msgspec.structs.replace(experiment.scenario, filesystem=FilesystemChoice("nfs"))
    monkeypatch.setattr(experiment, "scenario", scenario)
    trace = Trace({}, [], [], "")
    assert "'nfs'" in simulator.confirm(trace, experiment).text


def test_a_rename_over_a_full_directory_fails_as_on_xfs_with_its_persistence_only() -> None:
    """Confirmed on a mounted XFS; on another disk the program takes the other way."""

    def program(rank: Rank) -> None:
        for name in ("a", "b"):
            (rank.root / name).mkdir()
            (rank.root / name / "file").touch()
        try:
            os.rename(rank.root / "a", rank.root / "b")
        except FileExistsError:
            raise RuntimeError("EEXIST") from None
        except OSError:
            pass

    def found(persistence: str) -> Any:
        return simulator.explore(program, nodes=1, ranks_per_node=1, persistence=persistence, schedules=5).failure

    assert found("ext4") is None
    failure = found("xfs")
    assert failure is not None
    assert simulator.replay(failure, strict=True).digest == failure.trace.digest
    confirmation = simulator.confirm(failure)
    assert confirmation.outcome == ("confirmed" if confirmation.filesystem == "xfs" else "model only")
