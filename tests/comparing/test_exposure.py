"""For how long a save leaves the job without anything to resume from, and how much of it is synced."""

from __future__ import annotations

import os

import msgspec
import pytest

from simulator.campaigns.scale.at_scale import incident_at_scale, run_at_scale
from simulator.campaigns.scale.onlooking import Synced, synced
from simulator.campaigns.scale.scale_result import ScaleResult
from simulator.engines.interface import Step
from simulator.operations import Close, Dup, Fsync, Open, Operation, Rename, Write
from simulator.scenario import Cluster


def run(strategy: str, steps: int = 3, looks: int = 24) -> ScaleResult:
    scenario = incident_at_scale(strategy)
    workload = msgspec.structs.replace(scenario.workload, steps=steps, keep=1)
    return run_at_scale(msgspec.structs.replace(scenario, cluster=Cluster(2, 2), workload=workload), looks=looks)


def test_a_save_into_the_final_place_leaves_nothing_to_resume_from_as_long_as_it_takes() -> None:
    """The newest directory is what a restart picks, and it is not whole before the save has ended."""
    result = run("transformers-5.23")
    assert result.exposed == pytest.approx(result.saves[-1].seconds, rel=0.01)


@pytest.mark.parametrize("strategy", ["staged-barrier", "manifest", "transformers-4.37"])
def test_a_save_that_is_published_at_its_end_leaves_the_older_one(strategy: str) -> None:
    result = run(strategy)
    assert result.exposed == 0.0
    assert result.saves[-1].seconds > 300


def test_more_looks_find_the_same() -> None:
    few, many = run("transformers-5.23", looks=24), run("transformers-5.23", looks=500)
    assert few.exposed == pytest.approx(many.exposed, rel=0.02)


def test_nothing_is_said_of_a_first_save_and_of_what_nobody_looked_at() -> None:
    assert run("transformers-5.23", steps=1).exposed is None
    assert run("transformers-5.23", looks=0).exposed is None


def test_the_remedies_sync_what_they_write_and_the_trainer_does_not() -> None:
    remedy, trainer = run("staged-barrier", looks=0).synced, run("transformers-5.23", looks=0).synced
    assert remedy is not None
    assert trainer is not None
    assert remedy.everything
    assert trainer.written > 1e12
    assert trainer.synced == 0


def steps(*operations: tuple[Operation, object]) -> list[Step]:
    return [Step(0, 0, n, operation, value) for n, (operation, value) in enumerate(operations)]


FLAGS = os.O_WRONLY | os.O_CREAT


def test_a_file_counts_as_synced_through_any_descriptor_and_under_its_new_name() -> None:
    assert synced(
        steps(
            (Open("a", FLAGS), 5), (Dup(5), 6), (Write(6, b"1234"), 4), (Close(5), None), (Close(6), None),
            (Rename("a", "b"), None), (Open("b", os.O_RDONLY), 5), (Fsync(5), None),
        )
    ) == Synced(4, 4)  # fmt: skip


def test_what_is_written_after_the_last_sync_is_not_synced() -> None:
    assert synced(
        steps((Open("a", FLAGS), 5), (Write(5, b"1234"), 4), (Fsync(5), None), (Write(5, b"56"), 2), (Close(5), None))
    ) == Synced(6, 4)
