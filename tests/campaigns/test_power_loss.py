"""Power loss: what is not durable can be lost, whatever is durable by the profile cannot."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

import simulator
from simulator import Faults, Rank, Result, trace as traces
from simulator.campaigns.replay.confirming import confirm
from simulator.errors import UsageError
from simulator.experiment import Experiment
from simulator.scenario import Cluster, FilesystemChoice, Scenario, StrategyChoice, Workload
from tests.campaigns import saving
from tests.campaigns.saving import newest, newest_marked

ALL = ("posix-min", "ext4", "xfs", "btrfs", "nfs")
LOCAL = ALL[:-1]
POWER = Faults(power_losses=1)

SAFE = [(saving.safe, newest), (saving.safe_marker, newest_marked)]
WRONG = [
    (saving.files_not_synced, newest, LOCAL),
    (saving.nothing_synced, newest, LOCAL),
    (saving.deleted_before_published, newest, ("posix-min", "btrfs")),
    (saving.marker_before_shards, newest_marked, LOCAL),
]


@pytest.mark.parametrize("persistence", ALL)
@pytest.mark.parametrize(("program", "pick"), SAFE, ids=["rename", "marker"])
def test_a_safe_recipe_is_certified_on_every_profile(program: Any, pick: Any, persistence: str) -> None:
    result = simulator.certify(program, nodes=2, pick=pick, persistence=persistence, faults=POWER)
    assert result.verdict == "certified"
    assert f"1 power loss ({persistence})" in result.coverage
    assert simulator.explore(program, pick=pick, persistence=persistence, faults=POWER, schedules=10).verdict == "clean"


@pytest.mark.parametrize("persistence", ALL)
@pytest.mark.parametrize(("program", "pick", "losing"), WRONG, ids=[program.__name__ for program, _, _ in WRONG])
@pytest.mark.parametrize("search", [simulator.explore, simulator.certify], ids=["explore", "certify"])
def test_a_wrong_recipe_is_violated_where_real_file_systems_lose_something(
    search: Callable[..., Any], program: Any, pick: Any, losing: tuple[str, ...], persistence: str
) -> None:
    few = {"schedules": 10} if search is simulator.explore else {}
    result = search(program, nodes=2, pick=pick, persistence=persistence, faults=POWER, **few)
    assert (result.verdict == "violated") == (persistence in losing)
    if result.failure is not None:
        assert result.failure.error.startswith("after a power loss, ")


def job(strategy: str, persistence: str, *, restarts: int = 0, power_losses: int = 1, **options: Any) -> Scenario:
    return Scenario(
        cluster=Cluster(2, 1),
        workload=Workload(steps=2, keep=1),
        strategy=StrategyChoice(strategy, options),
        filesystem=FilesystemChoice("shared", persistence),
        faults=Faults(power_losses=power_losses),
        restarts=restarts,
    )


@pytest.mark.parametrize("persistence", LOCAL)
def test_transformers_4_37_loses_its_checkpoint(persistence: str) -> None:
    result = simulator.explore(job("transformers-4.37", persistence), schedules=10)
    assert result.verdict == "violated"
    assert simulator.explore(job("transformers-4.37", persistence, power_losses=0), schedules=10).verdict == "clean"


REMEDIES = ("staged-barrier", "manifest", "incremental", "per-node-dirs")


@pytest.mark.parametrize("persistence", ALL)
@pytest.mark.parametrize("strategy", REMEDIES)
def test_a_remedy_holds_as_its_text_says_and_not_without_its_syncs(strategy: str, persistence: str) -> None:
    assert simulator.explore(job(strategy, persistence, restarts=1), schedules=6).verdict == "clean"
    without = simulator.explore(job(strategy, persistence, fsync=False), schedules=6)
    assert (without.verdict == "violated") == (persistence in LOCAL)


@pytest.mark.parametrize("strategy", REMEDIES)
def test_a_remedy_is_certified_where_least_is_promised(strategy: str) -> None:
    scenario = msgspec.structs.replace(job(strategy, "posix-min"), workload=Workload(steps=1, keep=1))
    assert simulator.certify(scenario).verdict == "certified"


def test_a_failure_tells_what_was_lost_and_replays_bit_for_bit(tmp_path: Path) -> None:
    result = simulator.explore(saving.files_not_synced, pick=newest, persistence="ext4", faults=POWER, schedules=10)
    assert result.failure is not None
    trace = result.failure.trace
    assert trace.attempts[-1].faults[-1][1] == "the power fails; lost: data of ckpt-2/shard-0 (rank 0)"
    kinds = [kind for _, kind, _, _, _ in trace.tape]
    assert sorted(kinds) == ["lost", "power"], "one loss is enough, and nothing else"
    assert result.failure.explanation is not None
    assert "What did not reach the disk decides" in result.failure.explanation.text
    path = tmp_path / "failure.json"
    traces.save(trace, path)
    again = simulator.replay(path)
    assert again.failure is not None
    assert (again.failure.error, again.digest) == (result.failure.error, trace.digest)
    assert simulator.replay(path, strict=True).digest == trace.digest
    assert confirm(trace).text == "model only: no disk that is in use loses what it has not written yet"


def test_undoing_the_loss_passes() -> None:
    result = simulator.explore(saving.files_not_synced, pick=newest, persistence="ext4", faults=POWER, schedules=10)
    assert result.failure is not None
    trace = result.failure.trace
    kept = msgspec.structs.replace(trace, tape=[row for row in trace.tape if row[1] == "power"])
    again = simulator.replay(kept, programs=saving.files_not_synced, pick=newest)
    assert again.failure is None


def test_the_job_goes_on_with_what_a_power_loss_has_left() -> None:
    """Only a job that is run again trips over this: what it left unsynced is there in the tree, and then it is not."""

    def program(rank: Rank) -> None:
        if rank.index == 0:
            if rank.attempt == 0:
                saving.write(rank.root / "log", "begun", synced=False)
                saving.sync(rank.root)
                saving.write(rank.root / "begun", "", synced=True)
                saving.sync(rank.root)
            elif "begun" in os.listdir(rank.root) and not (rank.root / "log").read_text():
                raise RuntimeError("the log is empty")

    result = simulator.explore(program, persistence="ext4", faults=POWER, restarts=1, schedules=200, seed=1)
    assert result.failure is not None
    assert result.failure.invariant == "no-error"
    assert "the log is empty" in result.failure.error
    assert [bool(attempt.faults) for attempt in result.failure.trace.attempts] == [True, False]
    assert simulator.explore(program, persistence="xfs", faults=POWER, restarts=1, schedules=5).failure is not None


def test_one_rank_is_enough_for_a_power_loss() -> None:
    def alone(rank: Rank) -> None:
        saving.publish(rank, 1, files=False)

    for search in (simulator.explore, simulator.certify):
        found: Any = search(alone, nodes=1, pick=newest, persistence="ext4", faults=POWER)
        assert found.verdict == "violated"
    safe = simulator.certify(saving.safe, nodes=1, pick=newest, persistence="ext4", faults=POWER)
    assert safe.verdict == "certified"


def test_a_users_invariant_is_judged_on_what_is_left() -> None:
    def b_only_with_a(world: Any) -> str | None:
        names = os.listdir(world.root)
        return "b without a" if "b" in names and "a" not in names else None

    def program(rank: Rank) -> None:
        if rank.index == 0:
            os.mkdir(rank.root / "a")
            os.mkdir(rank.root / "b")
        else:
            os.listdir(rank.root)

    def verdict(persistence: str) -> str:
        return str(simulator.certify(program, nodes=2, invariants=[b_only_with_a], persistence=persistence,
                                     faults=POWER).verdict)  # fmt: skip

    assert [verdict(each) for each in ALL] == ["violated", "certified", "certified", "violated", "certified"]


def latest(root: Path) -> Path | None:
    return root / "latest" if "latest" in os.listdir(root) else None


def replaces(rank: Rank) -> None:
    for step in (1, 2):
        if rank.index == 0:
            saving.write(rank.root / "tmp", str(step), synced=True)
            os.replace(rank.root / "tmp", rank.root / "latest")
            saving.sync(rank.root)
        rank.barrier()
        rank.saved(step)


@pytest.mark.parametrize(("options", "verdict"), [({}, "certified"), ({"rename": "torn"}, "violated")])
def test_a_rename_over_a_file_may_be_torn_where_that_is_asked_for(options: dict[str, Any], verdict: str) -> None:
    scenario = Scenario(program="x.py:f", filesystem=FilesystemChoice("shared", "posix-min", options), faults=POWER)
    experiment = Experiment(scenario, programs=[replaces, reads], pick=latest)
    assert simulator.certify(experiment).verdict == verdict


def reads(rank: Rank) -> None:
    for step in (1, 2):
        os.listdir(rank.root)
        rank.barrier()
        rank.saved(step)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"persistence": "floppy"}, "filesystem.persistence: unknown profile 'floppy'"),
        ({"persistence": "ext4", "filesystem": "pyfakefs"}, "pyfakefs has no crash model"),
    ],
)
def test_what_cannot_be_had_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        simulator.explore(saving.safe, pick=newest, faults=POWER, schedules=2, **given)


def keeps_one(rank: Rank, syncs: bool) -> None:
    """Saves twice and deletes the first checkpoint; so does a restart that finds the second one published."""
    names = os.listdir(rank.root)
    for step in (1, 2):
        if "ckpt-2" not in names and f"ckpt-{step}" not in names:
            shutil.rmtree(rank.root / "tmp", ignore_errors=True)
            saving.publish(rank, step)
            rank.saved(step)
    if syncs:
        saving.sync(rank.root)
    if "ckpt-1" in os.listdir(rank.root):
        os.rename(rank.root / "ckpt-1", rank.root / "removing")
        saving.sync(rank.root)


def certified_with_a_kill(syncs: bool) -> Result:
    return simulator.certify(
        partial(keeps_one, syncs=syncs), nodes=1, pick=newest, persistence="btrfs", restarts=1,
        faults=Faults(kills=1, power_losses=1),
    )  # fmt: skip


def test_certifying_loses_power_also_after_a_kill_and_a_restart() -> None:
    """Killed between a rename and its sync: the restart deletes what the rename, not yet durable, has replaced."""
    result = certified_with_a_kill(syncs=False)
    assert result.failure is not None
    assert result.failure.error.startswith("after a power loss, nothing is left")
    trace = result.failure.trace
    assert [attempt.faults[-1][1].split(";")[0] for attempt in trace.attempts] == [
        "rank 0 is killed",
        "the power fails",
    ]
    assert simulator.replay(trace, programs=partial(keeps_one, syncs=False), pick=newest).digest == trace.digest


def test_a_restart_that_syncs_before_it_deletes_is_certified() -> None:
    result = certified_with_a_kill(syncs=True)
    assert result.verdict == "certified"
    assert "on one disk for each difference that a restart sees" in result.coverage
