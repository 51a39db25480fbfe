"""Rank 0 alone saves and the others wait: one class, judged at every instant of death like any other job."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import simulator
from simulator.boundary import installed
from simulator.campaigns.command.search import search as search_program
from simulator.campaigns.interface import experiment_of
from simulator.campaigns.result import Result
from simulator.faults import Faults
from simulator.rank import Rank
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from tests.interposition.kernel import holds
from tests.interposition.programs import experiment

SEARCHES: list[Callable[..., Result]] = [
    simulator.certify,
    lambda program, **more: simulator.explore(program, schedules=200, **more),
]


def aside(rank: Rank) -> None:
    """Written aside, renamed into place."""
    if rank.index == 0:
        shutil.rmtree(rank.root / "tmp", ignore_errors=True)
        if not (rank.root / "checkpoint-1").exists():
            (rank.root / "tmp").mkdir()
            (rank.root / "tmp" / "model").write_bytes(b"model")
            (rank.root / "tmp").rename(rank.root / "checkpoint-1")
    rank.barrier()
    rank.saved(1)


def in_place(rank: Rank) -> None:
    """The same without care for what a death leaves: a restart fails on the directory of the first attempt."""
    if rank.index == 0 and not (rank.root / "done").exists():
        (rank.root / "checkpoint-1").mkdir()
        (rank.root / "checkpoint-1" / "model").write_bytes(b"model")
        (rank.root / "done").touch()
    rank.barrier()
    rank.saved(1)


def pick(root: Path) -> Path | None:
    return next(root.glob("checkpoint-*"), None)


def pick_done(root: Path) -> Path | None:
    return root / "checkpoint-1" if (root / "done").exists() else None


@pytest.mark.parametrize("search", SEARCHES, ids=["certify", "explore"])
@pytest.mark.parametrize("nodes", [1, 2, 3])
def test_it_is_judged_and_says_that_there_was_nothing_to_interleave(search: Callable[..., Result], nodes: int) -> None:
    result = search(aside, pick=pick, nodes=nodes)
    assert result.verdict in ("clean", "certified")
    with installed():
        undisturbed = experiment_of(aside, pick=pick, nodes=nodes).run(TapeReplay(Tape()))
    instants = undisturbed.operations + 1
    assert f"1 class: nothing to interleave; {instants} instants of death judged" in result.coverage


@pytest.mark.parametrize("search", SEARCHES, ids=["certify", "explore"])
def test_what_a_death_leaves_torn_is_found(search: Callable[..., Result]) -> None:
    failure = search(in_place, pick=pick).failure
    assert failure is not None
    assert failure.invariant in ("complete", "content")


@pytest.mark.parametrize("search", SEARCHES, ids=["certify", "explore"])
@pytest.mark.parametrize("faults", [Faults(kills=1), Faults(node_kills=1)], ids=["rank", "node"])
def test_a_restart_that_fails_on_what_a_kill_left_is_found(search: Callable[..., Result], faults: Faults) -> None:
    result = search(in_place, pick=pick_done, faults=faults, restarts=1)
    assert result.failure is not None
    assert (result.failure.invariant, "FileExistsError" in result.failure.error) == ("no-error", True)
    assert search(aside, pick=pick, faults=faults, restarts=1).verdict in ("clean", "certified")


@pytest.mark.parametrize("search", SEARCHES, ids=["certify", "explore"])
def test_what_a_power_loss_takes_is_found(search: Callable[..., Result]) -> None:
    result = search(aside, pick=pick, faults=Faults(power_losses=1))
    assert result.failure is not None
    assert result.failure.error.startswith("after a power loss")


def test_without_anything_that_says_what_a_restart_would_take_no_instant_is_said_to_be_judged() -> None:
    result = simulator.explore(aside)
    assert (result.verdict, result.schedules) == ("clean", 1)
    assert "no instant of death judged" in result.coverage


def test_no_run_is_made_twice_and_none_is_left_out() -> None:
    """Of one kill of a job that leaves no choice there are as many different runs as places; more draws add none."""
    results = [
        simulator.explore(aside, pick=pick, faults=Faults(kills=1), schedules=schedules) for schedules in (1000, 5000)
    ]
    assert results[0].schedules <= results[1].schedules < 300
    operations = sum(results[1].lengths)
    assert results[1].schedules > 2 * operations


@holds
@pytest.mark.parametrize(("faults", "restarts"), [(Faults(), 0), (Faults(kills=1), 1)], ids=["", "kill"])
def test_a_real_program_in_which_rank_0_alone_saves_is_judged(tmp_path: Path, faults: Faults, restarts: int) -> None:
    body = """
        if rank == 0:
            os.makedirs(os.path.join(root, "tmp"), exist_ok=True)
            with open(os.path.join(root, "tmp", "model"), "wb") as file:
                file.write(b"...")
            if not os.path.exists(os.path.join(root, "checkpoint-1")):
                os.rename(os.path.join(root, "tmp"), os.path.join(root, "checkpoint-1"))
    """
    if not restarts:
        body += "    meet()"  # Where rank 0 dies, the other would look for it until it has been silent for too long.
    with experiment(tmp_path, body, faults=faults, restarts=restarts) as under_test:
        result = search_program(under_test, schedules=3)
    assert result.verdict == "clean"
    assert result.coverage.startswith("1 class: nothing to interleave; ")
    assert (result.schedules == 1) == (not restarts)
