"""The protocols of transformers do what the versions did: what holds, and the races that were reported."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from strategies.trainer.rotation import oldest_first, rotate
from strategies.transformers_4_35 import DirectWrite
from strategies.transformers_4_36_0 import EveryRankRenames
from strategies.transformers_4_36_1 import FirstOfEachNodeRenamesFirst
from strategies.transformers_4_36_2 import RankZeroRenamesFirst
from strategies.transformers_4_37 import OneRankRenames
from strategies.transformers_4_38 import OtherNodesCleanUp
from strategies.transformers_4_49_dev_35580 import PrivateDirectories
from strategies.transformers_4_49_dev_36094 import OnlySavingRankRenames
from strategies.transformers_4_52 import DirectWriteTestsForBest
from strategies.transformers_5_23 import DirectWriteKeepsNewestAndBest
from tests.strategies.training import Training

VERSIONS: list[type] = [
    DirectWrite,
    EveryRankRenames,
    FirstOfEachNodeRenamesFirst,
    RankZeroRenamesFirst,
    OneRankRenames,
    OtherNodesCleanUp,
    PrivateDirectories,
    OnlySavingRankRenames,
    DirectWriteTestsForBest,
    DirectWriteKeepsNewestAndBest,
]
every_version = pytest.mark.parametrize("version", VERSIONS)
NOTHING_STAGED = {"checkpoint-1", "checkpoint-4"}


@every_version
@pytest.mark.parametrize("layout", ["ddp", "zero"])
def test_one_rank_alone_saves_rotates_and_resumes(tmp_path: Path, version: type, layout: str) -> None:
    training = Training(tmp_path, version, layout=layout, nodes=1, keep=2, best=1)
    for steps in (1, 2, 4):
        job = training.run(steps, judge=version in (RankZeroRenamesFirst, OneRankRenames))
        assert (job.errors, job.hangs, training.resumable()) == ({}, [], steps)
    assert {path.name for path in tmp_path.iterdir()} == NOTHING_STAGED


@every_version
def test_two_ranks_that_take_turns_save_and_resume(tmp_path: Path, version: type) -> None:
    training = Training(tmp_path, version, nodes=1, ranks_per_node=2, keep=2, best=1)
    for steps in (1, 2, 4):
        job = training.run(steps)
        assert (job.errors, job.hangs) == ({}, [])
        if version in (PrivateDirectories, OnlySavingRankRenames):
            training.promised = 0
            with pytest.raises(AssertionError, match=r"a restart fails.*checkpoint-\d/"):
                training.resumable()
            return
        assert training.resumable() == steps
    assert {path.name for path in tmp_path.iterdir()} == NOTHING_STAGED


def symptoms(
    root: Path, strategy: Callable[[], Any], seeds: int, *, judge: bool = False, **shape: Any
) -> dict[str, set[str]]:
    """What the ranks raised in so many interleavings, and whether checkpoints were lost without anybody raising."""
    seen: dict[str, set[str]] = {}
    for seed in range(seeds):
        directory = root / str(seed)
        directory.mkdir()
        training = Training(directory, strategy, **shape)
        try:
            job = training.run(2, seed=seed, judge=judge)
            for error in job.errors.values():
                assert isinstance(error, OSError)
                assert error.errno is not None
                seen.setdefault(errno.errorcode[error.errno], set()).add(str(error))
            if not job.errors:
                training.resumable()
        except AssertionError as error:
            seen.setdefault("lost", set()).add(str(error))
    return seen


TWO_NODES = {"nodes": 2, "ranks_per_node": 1}
THREE_NODES = {"nodes": 3, "ranks_per_node": 1}
ONE_NODE = {"nodes": 1, "ranks_per_node": 2}
EIGHT: dict[str, Any] = {"nodes": 2, "ranks_per_node": 4, "layout": "zero"}


@pytest.mark.parametrize(
    ("version", "shape", "expected"),
    [
        (EveryRankRenames, ONE_NODE, {"ENOENT", "ENOTEMPTY"}),
        (FirstOfEachNodeRenamesFirst, TWO_NODES, {"ENOENT"}),
        (OtherNodesCleanUp, TWO_NODES, {"ENOENT", "lost"}),
        (PrivateDirectories, ONE_NODE, {"lost"}),
        (PrivateDirectories, EIGHT, {"ENOENT", "ENOTEMPTY"}),
        (OnlySavingRankRenames, TWO_NODES, {"lost"}),
        (lambda: RankZeroRenamesFirst(save_on_each_node=True), TWO_NODES, {"ENOENT"}),
        (lambda: OneRankRenames(save_on_each_node=True), TWO_NODES, {"ENOENT"}),
        (lambda: OnlySavingRankRenames(save_on_each_node=True), THREE_NODES, {"ENOTEMPTY"}),
    ],
    ids=["4.36.0", "4.36.1", "4.38", "35580-loss", "35580", "36094", "4.36.2-each", "4.37-each", "36094-each"],
)
def test_the_reported_race_is_there(
    tmp_path: Path, version: Callable[[], Any], shape: dict[str, Any], expected: set[str]
) -> None:
    seen = symptoms(tmp_path, version, 40, **shape)
    assert expected <= seen.keys(), seen


@pytest.mark.parametrize(
    ("version", "shape"),
    [
        (FirstOfEachNodeRenamesFirst, ONE_NODE),
        (RankZeroRenamesFirst, TWO_NODES),
        (RankZeroRenamesFirst, EIGHT),
        (OneRankRenames, TWO_NODES),
        (OtherNodesCleanUp, ONE_NODE),
    ],
    ids=["4.36.1-one-node", "4.36.2", "4.36.2-zero", "4.37", "4.38-one-node"],
)
def test_what_a_strong_file_system_does_not_break_holds(tmp_path: Path, version: type, shape: dict[str, Any]) -> None:
    assert symptoms(tmp_path, version, 8, judge=True, **shape) == {}


@pytest.mark.parametrize("version", [DirectWrite, DirectWriteTestsForBest, DirectWriteKeepsNewestAndBest])
def test_direct_write_leaves_a_partial_checkpoint_to_be_picked(tmp_path: Path, version: type) -> None:
    training = Training(tmp_path, version)
    with pytest.raises(AssertionError, match="a restart fails"):
        training.run(2, judge=True)


def test_the_messages_of_the_origin_are_seen(tmp_path: Path) -> None:
    """hiyouga/LLaMA-Factory#6882: a temporary directory renamed onto the checkpoint, and a file that is gone.

    From Python 3.13 on, rmtree takes it as done when a file below the top has been deleted by somebody else.
    """
    seen = symptoms(tmp_path, PrivateDirectories, 40, **EIGHT)
    assert any("tmp-checkpoint-" in text and "-> " in text and "checkpoint-1'" in text for text in seen["ENOTEMPTY"])
    inside = any("global_step1" in text or "_states.pt" in text for text in seen["ENOENT"])
    assert inside == (sys.version_info < (3, 13))


def test_a_killed_rank_leaves_its_private_directory_for_ever(tmp_path: Path) -> None:
    training = Training(tmp_path, PrivateDirectories, nodes=1)
    training.run(2, kill=(0, 8, 0))
    training.run(2)
    assert training.resumable() == 2
    assert any(path.name.startswith("tmp-checkpoint-") for path in tmp_path.iterdir())


def test_each_node_writes_a_copy_where_that_is_asked_for(tmp_path: Path) -> None:
    training = Training(tmp_path, lambda: DirectWrite(save_on_each_node=True), ranks_per_node=2)
    job = training.run(1)
    writers = {rank for rank, call, arguments in job.log if call == "create" and "model" in str(arguments[0])}
    assert writers == {0, 2}
    assert training.resumable() == 1


def test_the_order_of_rotation_is_checked() -> None:
    with pytest.raises(ValueError, match="'size'"):
        RankZeroRenamesFirst(rotate_by="size")
    assert RankZeroRenamesFirst(rotate_by="number").by_time is False


def checkpoints(root: Path, times: dict[int, float]) -> None:
    for step, time in times.items():
        (root / f"checkpoint-{step}").mkdir()
        os.utime(root / f"checkpoint-{step}", (time, time))


def test_rotation_by_time_and_by_number_differ_where_an_older_run_left_higher_steps(tmp_path: Path) -> None:
    checkpoints(tmp_path, {500: 1000.0, 600: 2000.0, 100: 3000.0})
    assert oldest_first(tmp_path, by_time=True, least_spread=1.0)[-1] == "checkpoint-100"
    assert oldest_first(tmp_path, by_time=False, least_spread=0.0)[-1] == "checkpoint-600"
    rotate(tmp_path, 1, None, by_time=True, least_spread=1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-100"]


def test_times_within_a_second_are_taken_for_false(tmp_path: Path) -> None:
    checkpoints(tmp_path, {2: 1000.9, 10: 1000.0})
    assert oldest_first(tmp_path, by_time=True, least_spread=1.0) == ["checkpoint-2", "checkpoint-10"]
    assert oldest_first(tmp_path, by_time=True, least_spread=0.0) == ["checkpoint-10", "checkpoint-2"]


def test_the_best_is_kept_and_with_it_the_newest(tmp_path: Path) -> None:
    checkpoints(tmp_path, {1: 1.0, 2: 2.0, 3: 3.0})
    rotate(tmp_path, 1, 1, by_time=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-1", "checkpoint-3"]
    rotate(tmp_path, 1, 3, by_time=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-3"]
    rotate(tmp_path, None, None, by_time=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-3"]
