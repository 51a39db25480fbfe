"""Whole jobs on NFS: what stale answers do to them, and what the tape, the trace and the report say of it."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.boundary import installed
from simulator.campaigns.replay.confirming import confirm
from simulator.engines.conditions import Conditions
from simulator.engines.processes import process_engine, template_for
from simulator.errors import UsageError
from simulator.experiment import Experiment
from simulator.rank import Rank
from simulator.run import execute
from simulator.scenario import Cluster, FilesystemChoice, Scenario, StrategyChoice, Workload
from simulator.schedulers.replay import TapeReplay


def trainer(version: str, profile: str, **options: int | str | bool | float) -> Scenario:
    return Scenario(
        cluster=Cluster(2, 1),
        workload=Workload(steps=2, keep=1),
        strategy=StrategyChoice(f"transformers-{version}"),
        filesystem=FilesystemChoice(profile, options=options),
    )


def test_transformers_4_36_2_dies_of_a_stale_exists_on_nfs_and_is_clean_on_a_strong_file_system() -> None:
    result = simulator.explore(trainer("4.36.2", "nfs"), schedules=100)
    assert result.verdict == "violated"
    assert result.failure is not None
    assert "'tmp-checkpoint-1' -> 'checkpoint-1'" in result.failure.error
    assert [kind for _, kind, *_ in result.failure.trace.tape] == ["stale-name"]
    assert simulator.explore(trainer("4.36.2", "shared"), schedules=100).verdict == "clean"


def test_what_decides_is_the_stale_answer_and_the_report_shows_it() -> None:
    failure = simulator.explore(trainer("4.36.2", "nfs"), schedules=100).failure
    assert failure is not None
    text = simulator.as_text(failure)
    assert "The fault decides (node 1 answers from what it has cached of 'tmp-checkpoint-1')" in " ".join(text.split())
    again = simulator.replay(failure.trace)
    assert again.digest == failure.trace.digest
    assert confirm(failure).text == "model only: the file system profile 'nfs' does what no local disk does"


@pytest.mark.parametrize("options", [{"noac": True}, {"lookupcache": "none"}, {"stale": 0}], ids=str)
def test_without_stale_names_it_is_clean(options: dict[str, int | str | bool | float]) -> None:
    assert simulator.explore(trainer("4.36.2", "nfs", **options), schedules=100).verdict == "clean"


def asks_on_every_rank(rank: Rank) -> None:
    """As KempnerForge loaded: whoever finds the file takes part in the broadcast (pull request 49)."""
    state = rank.root / "train_state.pt"
    state.exists()
    rank.barrier()
    if rank.index == 0:
        state.write_bytes(b"state")
    rank.barrier()
    if state.exists():
        rank.broadcast(0)
        rank.barrier()


def test_a_load_that_asks_on_every_rank_hangs_on_nfs_and_not_on_a_strong_file_system() -> None:
    result = simulator.explore(asks_on_every_rank, nodes=2, filesystem="nfs", schedules=100)
    assert result.failure is not None
    assert result.failure.invariant == "no-hang"
    assert simulator.explore(asks_on_every_rank, nodes=2, schedules=100).verdict == "clean"


def made_by_one(rank: Rank) -> None:
    """As NeMo saved (pull request 8153): rank 0 makes the directory, and after a barrier everybody writes into it."""
    directory = rank.root / "checkpoints"
    directory.exists()
    rank.barrier()
    if rank.index == 0:
        directory.mkdir()
    rank.barrier()
    (directory / str(rank.index)).write_bytes(b"data")


def made_by_all(rank: Rank) -> None:
    """The cure: the server decides about a mkdir, whatever the client believes."""
    directory = rank.root / "checkpoints"
    directory.exists()
    rank.barrier()
    directory.mkdir(exist_ok=True)
    (directory / str(rank.index)).write_bytes(b"data")


def test_a_barrier_does_not_make_a_directory_visible_and_making_it_everywhere_does() -> None:
    result = simulator.explore(made_by_one, nodes=2, filesystem="nfs", schedules=200)
    assert result.failure is not None
    assert "checkpoints/1" in result.failure.error
    assert simulator.explore(made_by_all, nodes=2, filesystem="nfs", schedules=300).verdict == "clean"


def waits(rank: Rank) -> float:
    """As OLMo waits for a directory to appear: how long that takes."""
    directory = rank.root / "checkpoints"
    directory.exists()
    rank.barrier()
    if rank.index == 0:
        directory.mkdir()
    rank.barrier()
    began = time.monotonic()
    while not directory.exists():
        time.sleep(0.5)
    return time.monotonic() - began


def test_a_stale_answer_lasts_as_long_as_attributes_are_trusted_and_no_longer() -> None:
    longest = 0.0

    def takes_at_most_half_a_minute(world: simulator.World) -> str | None:
        nonlocal longest
        longest = max([longest, *(value for value in world.returned.values() if value is not None)])
        return None if longest <= 30.5 else f"{longest} s"

    simulator.explore(
        waits, nodes=2, filesystem="nfs", schedules=60, invariants=[simulator.at_end(takes_at_most_half_a_minute)]
    )
    assert 29.0 < longest <= 30.5


def keeps_a_file_open(rank: Rank) -> None:
    """As an uploader read while the trainer rotated (prime-rl, pull request 1763): both are on one node."""
    directory = rank.root / "checkpoint-1"
    directory.exists()
    if rank.index == 0:
        directory.mkdir()
        (directory / "model").write_bytes(b"model")
    rank.barrier()
    if rank.index == 1:
        with open(directory / "model", "rb"):
            rank.barrier()
            rank.barrier()
    else:
        rank.barrier()
        try:
            os.unlink(directory / "model")
            os.rmdir(directory)
        finally:
            rank.barrier()


def test_a_directory_cannot_be_removed_while_the_own_node_reads_a_file_in_it() -> None:
    result = simulator.explore(keeps_a_file_open, nodes=1, ranks_per_node=2, filesystem="nfs", schedules=10)
    assert result.failure is not None
    assert f"[Errno {errno.ENOTEMPTY}]" in result.failure.error
    assert simulator.explore(keeps_a_file_open, nodes=1, ranks_per_node=2, schedules=10).verdict == "clean"


def test_ranks_in_processes_of_their_own_see_the_same_stale_answers(tmp_path: Path) -> None:
    scenario = trainer("4.36.2", "nfs")
    failure = simulator.explore(scenario, schedules=100).failure
    assert failure is not None
    experiment, tape = Experiment(scenario), failure.trace.choices()
    with installed(), template_for(experiment.ranks()) as template:

        def engine(filesystem: object, conditions: Conditions) -> object:
            return process_engine(template, filesystem, experiment.ranks(), conditions)  # type: ignore[arg-type]

        filesystem = experiment.filesystem()
        run = execute(
            filesystem,
            engine,  # type: ignore[arg-type]
            TapeReplay(tape),
            judge=experiment.judge(filesystem),
            plan=tape,
        )
    assert run.violation is not None
    assert run.violation.message == failure.error
    assert run.tape.choices == tape.choices


def test_options_reach_the_file_system_from_a_scenario_and_wrong_ones_are_named() -> None:
    with pytest.raises(UsageError, match=r"filesystem\.options\.vers: 5 is none of 3, 4"):
        Experiment(trainer("4.36.2", "nfs", vers=5))
    with pytest.raises(UsageError, match="exhaustive search needs a bound of what nfs"):
        simulator.certify(trainer("4.36.2", "nfs"))


def saves_without_closing(rank: Rank) -> None:
    """What is written is in the page cache of the client until the file is closed."""
    if rank.index == 0:
        number = os.open(rank.root / "model", os.O_CREAT | os.O_WRONLY)
        os.write(number, b"model")
    rank.barrier()
    rank.saved(1)
    os.path.exists(rank.root)


def picks(root: Path) -> Path | None:
    return root / "model" if (root / "model").exists() and (root / "model").read_bytes() == b"model" else None


def test_a_power_loss_takes_what_was_not_closed_also_in_the_views_of_nodes() -> None:
    given: dict[str, Any] = {"nodes": 2, "filesystem": "nfs", "pick": picks, "schedules": 30}
    assert simulator.explore(saves_without_closing, **given).verdict == "clean"
    for restarts in (0, 1):
        faults = simulator.Faults(power_losses=1)
        result = simulator.explore(saves_without_closing, faults=faults, restarts=restarts, **given)
        assert result.failure is not None
        assert "after a power loss" in result.failure.error
