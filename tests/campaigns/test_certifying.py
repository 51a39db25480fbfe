"""What certify says of strategies: remedies hold in every interleaving and at every crash, old bugs are found."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator import scenario
from simulator.campaigns.result import Result
from simulator.errors import CannotDo, UsageError
from simulator.rank import Rank
from simulator.scenario import Cluster, FilesystemChoice, Scenario, StrategyChoice, Workload

REMEDIES = ["staged-barrier", "per-node-dirs", "manifest", "incremental"]
CORPUS = sorted((Path(__file__).parents[2] / "fixtures" / "corpus").glob("*.toml"))
BUGS = [path for path in CORPUS if tomllib.loads(path.read_text())["expect"]["verdict"] == "violated"]
SAMPLED_ONLY = {"fuse-mtime", "gcsfuse"}
"""Profiles of which nobody knows which operations commute."""


def profile_of(path: Path) -> str:
    """The file system of a case of the corpus."""
    return scenario.from_table(tomllib.loads(path.read_text())["scenario"], str(path)).filesystem.profile


SEARCHED = [path for path in BUGS if profile_of(path) not in SAMPLED_ONLY]
REFUSED = [path for path in BUGS if profile_of(path) in SAMPLED_ONLY]


def certified(
    name: str, *, ranks_per_node: int = 1, steps: int = 3, preemptions: int | None = None, **more: Any
) -> Result:
    wanted = Scenario(
        cluster=Cluster(2, ranks_per_node),
        workload=Workload(steps=steps, keep=1),
        strategy=StrategyChoice(name, more.pop("options", {})),
        **more,
    )
    return simulator.certify(wanted, preemptions=preemptions)


@pytest.mark.parametrize("name", REMEDIES)
def test_a_remedy_is_certified_without_a_bound_and_crash_points_included(name: str) -> None:
    result = certified(name)
    assert (result.verdict, result.failure, result.blocked) == ("certified", None, 0)
    assert result.states > 100
    assert "any number of preemptions, with job death at every instant" in result.coverage


@pytest.mark.parametrize("name", REMEDIES)
@pytest.mark.parametrize("steps", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_remedy_is_certified_on_two_ranks_a_node_within_a_bound(name: str, steps: int) -> None:
    result = certified(name, ranks_per_node=2, steps=steps, preemptions=1)
    assert result.verdict == "certified"
    assert "at most 1 preemption a schedule," in result.coverage


@pytest.mark.parametrize("name", REMEDIES)
def test_a_remedy_is_certified_with_a_rank_kill_and_a_restart(name: str) -> None:
    result = certified(name, steps=1, faults=simulator.Faults(kills=1), restarts=1)
    assert result.verdict == "certified"
    assert "up to 1 rank kill, " in result.coverage


@pytest.mark.parametrize("path", SEARCHED, ids=[path.stem for path in SEARCHED])
def test_every_bug_of_the_corpus_is_found_without_a_hint(path: Path) -> None:
    entry = tomllib.loads(path.read_text())
    result = simulator.certify(scenario.from_table(entry["scenario"], str(path)))
    assert result.failure is not None
    assert result.failure.invariant == entry["expect"]["invariant"]
    assert simulator.replay(result.failure.trace).digest == result.failure.trace.digest


@pytest.mark.parametrize("path", REFUSED, ids=[path.stem for path in REFUSED])
def test_what_cannot_be_searched_is_refused_and_sampled_instead(path: Path) -> None:
    with pytest.raises(UsageError, match="explore samples them"):
        simulator.certify(scenario.from_table(tomllib.loads(path.read_text())["scenario"], str(path)))


def each_node(rotate_by: str, **more: Any) -> Result:
    options = {"save_on_each_node": True, "rotate_by": rotate_by}
    return certified("transformers-4.36.2", options=options, invariants=["keep", "progress"], **more)


def test_rotation_by_modification_time_on_each_node_loses_every_checkpoint() -> None:
    result = each_node("mtime")
    assert result.failure is not None
    assert result.failure.invariant == "keep"
    assert "nothing is left that a restart could resume from" in result.failure.error
    assert simulator.replay(result.failure.trace, on="real").failure is not None


def racy(rank: Rank) -> None:
    staging = rank.root / "tmp-checkpoint-1"
    os.makedirs(staging, exist_ok=True)
    (staging / f"rng_state_{rank.index}.pth").write_bytes(b"...")
    rank.barrier()
    if staging.exists():
        os.rename(staging, rank.root / "checkpoint-1")


def private(rank: Rank) -> None:
    os.mkdir(rank.root / f"{rank.index}")
    os.rmdir(rank.root / f"{rank.index}")


def test_a_plain_program_is_certified_or_violated_and_its_failure_replays_on_model_and_disk() -> None:
    assert simulator.certify(private).classes == 1
    failure = simulator.certify([racy, racy]).failure
    assert failure is not None
    assert (failure.invariant, type(failure.trace).__name__) == ("no-error", "Trace")
    assert failure.explanation.first is not None
    for on in ("model", "real"):
        again = simulator.replay(failure.trace, on=on)
        assert again.failure is not None
        assert again.failure.signature == failure.signature


def marker(rank: Rank) -> None:
    (rank.root / ("marker" if rank.index else "shard")).write_text("x")


def test_a_state_that_no_run_of_the_search_passes_through_is_judged() -> None:
    def marked_and_no_shard(world: Any) -> str | None:
        names = os.listdir(world.root)
        return "marker without shard" if "marker" in names and "shard" not in names else None

    result = simulator.certify(marker, invariants=[marked_and_no_shard])
    assert result.failure is not None
    assert result.failure.invariant == "marked_and_no_shard"


def test_an_early_stop_is_never_a_pass() -> None:
    def counter(rank: Rank) -> None:
        os.mkdir(rank.root / f"{rank.index}")
        os.listdir(rank.root)

    everything = simulator.certify([counter] * 3)
    assert everything.verdict == "certified"
    stopped = simulator.certify([counter] * 3, max_classes=2)
    assert (stopped.verdict, stopped.classes) == ("incomplete", 2)
    assert stopped.reason is not None
    assert not stopped.coverage.startswith("exhaustive")
    assert simulator.certify([counter] * 3, max_classes=everything.classes).verdict == "certified"
    assert simulator.certify([counter] * 3, seconds=1e-9).verdict == "incomplete"


def test_ranks_that_disagree_about_a_collective_are_never_certified_also_if_hangs_are_not_judged() -> None:
    def broadcasts(rank: Rank) -> None:
        os.mkdir(rank.root / "a")
        rank.broadcast(1, source=0)
        os.rmdir(rank.root / "b")

    def meets(rank: Rank) -> None:
        os.path.exists(rank.root / "b")
        rank.barrier()

    assert simulator.certify([broadcasts, meets]).verdict == "violated"
    result = simulator.certify([broadcasts, meets], invariants=["agree"])
    assert result.verdict == "incomplete"
    assert "disagree about a collective" in str(result.reason)


def test_a_scenario_in_which_no_file_is_touched_is_refused() -> None:
    with pytest.raises(CannotDo, match="none of 2 ranks made a call about a file"):
        simulator.certify(lambda rank: rank.barrier())


def test_what_the_search_would_not_branch_over_is_refused() -> None:
    with pytest.raises(UsageError, match=r"faults\.clock_skew"):
        certified("staged-barrier", faults=simulator.Faults(clock_skew=1.0))
    with pytest.raises(UsageError, match=r"costs\.profile"):
        certified("staged-barrier", costs=scenario.CostChoice("nfs-ssd"))
    with pytest.raises(UsageError, match="preemptions: must be at least 0"):
        simulator.certify(private, preemptions=-1)


@pytest.mark.slow
@pytest.mark.parametrize("remedy", ["staged-barrier", "per-node-dirs", "manifest", "incremental"])
def test_one_rank_and_two_saves_by_a_remedy_are_certified_with_a_kill_a_restart_and_a_power_loss_on_ext4(
    remedy: str,
) -> None:
    """The smallest cluster: more ranks are sampled, not searched, in ``tests/strategies``."""
    scenario = Scenario(
        cluster=Cluster(1, 1),
        filesystem=FilesystemChoice(persistence="ext4"),
        workload=Workload(steps=2),
        strategy=StrategyChoice(remedy),
        faults=simulator.Faults(kills=1, power_losses=1),
        restarts=1,
    )
    result = simulator.certify(scenario)
    assert result.verdict == "certified", result.failure
    assert "1 rank kill, 1 power loss (ext4), 1 restart" in result.coverage
