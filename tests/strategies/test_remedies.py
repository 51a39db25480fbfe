"""The four remedies hold what their texts promise: at every instant, at every crash point, over any restarts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from strategies.durable.manifest import load_verified
from strategies.incremental import Incremental
from strategies.manifest import ManifestLast
from strategies.per_node_dirs import PerNodeDirectories
from strategies.staged_barrier import StagedBarrier
from tests.strategies.training import Training

REMEDIES: dict[str, Callable[[], Any]] = {
    "staged-barrier": StagedBarrier,
    "per-node-dirs": PerNodeDirectories,
    "manifest": ManifestLast,
    "incremental": Incremental,
    "incremental-references": lambda: Incremental(hard_links=False),
}
every_remedy = pytest.mark.parametrize("remedy", REMEDIES)
STEPS = 3


def assert_nothing_is_left_over(training: Training) -> None:
    """No more copies of a file than checkpoints are kept, and nothing that only a dead attempt had a use for."""
    assert training.keep is not None
    allowed = training.keep + (training.best is not None)
    assert {name: paths for name, paths in training.copies().items() if len(paths) > allowed} == {}
    names = [path.name for path in training.root.rglob("*")]
    assert [name for name in names if name.startswith(("staging-", "removing-")) or name.endswith(".tmp")] == []


@every_remedy
@pytest.mark.parametrize(
    ("nodes", "ranks_per_node", "layout"), [(2, 1, "ddp"), (2, 2, "zero"), (1, 3, "ddp"), (1, 1, "zero")]
)
def test_at_every_instant_of_any_interleaving_a_restart_would_find_a_whole_checkpoint(
    tmp_path: Path, remedy: str, nodes: int, ranks_per_node: int, layout: str
) -> None:
    for seed in (None, *range(3)):
        root = tmp_path / str(seed)
        root.mkdir()
        training = Training(root, REMEDIES[remedy], layout=layout, nodes=nodes, ranks_per_node=ranks_per_node,
                            frozen=True, best=1)  # fmt: skip
        job = training.run(STEPS, judge=True, seed=seed)
        assert (job.errors, job.hangs) == ({}, [])
        assert training.resumable() == STEPS
        assert_nothing_is_left_over(training)


@every_remedy
@pytest.mark.parametrize(("victim", "least"), [(0, 80), (1, 15)])
def test_a_rank_may_die_at_any_call(tmp_path: Path, remedy: str, victim: int, least: int) -> None:
    """At once, or a while later, or when they wait for it, the others end too. Then a restart resumes, goes on to the
    end, and leaves nothing behind that the dead attempt made."""
    call = 0
    while True:
        call += 1
        root = tmp_path / str(call)
        root.mkdir()
        training = Training(root, REMEDIES[remedy], layout="zero", frozen=True)
        job = training.run(2, seed=call, kill=(victim, call, (0, 12, 1000)[call % 3]))
        assert job.errors == {}
        resumed = training.resumable()
        last = training.run(2 + call % 2, seed=call)
        assert (last.errors, last.hangs) == ({}, [])
        assert training.resumable() == 2 + call % 2 >= resumed
        assert_nothing_is_left_over(training)
        if not job.died:
            break
    assert call > least


SCENARIOS = st.fixed_dictionaries(
    {
        "layout": st.sampled_from(["ddp", "zero"]),
        "nodes": st.integers(1, 2),
        "ranks_per_node": st.integers(1, 2),
        "keep": st.integers(1, 2),
        "best": st.sampled_from([None, 1, 2]),
        "frozen": st.booleans(),
    }
)
KILLS = st.tuples(st.integers(0, 3), st.integers(1, 120), st.sampled_from([0, 5, 40, 1000]))


def goes_through(
    root: Path, remedy: str, scenario: dict[str, Any], kills: list[tuple[int, int, int]], seed: int
) -> None:
    """Attempt after attempt dies, is judged at every instant, and the last one ends well."""
    training = Training(root, REMEDIES[remedy], **scenario)
    size = training.shape["nodes"] * training.shape["ranks_per_node"]
    for number, (victim, call, grace) in enumerate(kills):
        job = training.run(4, judge=True, seed=seed + number, kill=(victim % size, call, grace))
        assert job.errors == {}
        training.resumable()
    job = training.run(4, judge=True, seed=seed)
    assert (job.errors, job.hangs) == ({}, [])
    assert training.resumable() == 4
    assert_nothing_is_left_over(training)
    if training.best is not None:
        assert any(f"checkpoint-{training.best}" in path for path in training.copies()["model.safetensors"])


@every_remedy
@settings(max_examples=10)
@given(scenario=SCENARIOS, kills=st.lists(KILLS, max_size=4), seed=st.integers(0, 999))
def test_any_number_of_restarts_may_follow_each_other(
    tmp_path_factory: pytest.TempPathFactory, remedy: str, scenario: dict[str, Any], kills: Any, seed: int
) -> None:
    goes_through(tmp_path_factory.mktemp(remedy), remedy, scenario, kills, seed)


@pytest.mark.slow
@every_remedy
@settings(max_examples=1000)
@given(scenario=SCENARIOS, kills=st.lists(KILLS, max_size=4), seed=st.integers(0, 999))
def test_any_number_of_restarts_may_follow_each_other_many_times_over(
    tmp_path_factory: pytest.TempPathFactory, remedy: str, scenario: dict[str, Any], kills: Any, seed: int
) -> None:
    goes_through(tmp_path_factory.mktemp(remedy), remedy, scenario, kills, seed)


@every_remedy
def test_a_step_may_be_saved_again_over_its_checkpoint(tmp_path: Path, remedy: str) -> None:
    """At no instant is there neither the old nor the new one, and in the end only the new one is left."""
    training = Training(tmp_path, REMEDIES[remedy], layout="zero", frozen=True)
    training.run(2)
    for _ in range(2):
        job = training.run(2, first=2, judge=True, seed=5)
        assert (job.errors, job.hangs, training.resumable()) == ({}, [], 2)
        assert_nothing_is_left_over(training)


@every_remedy
def test_a_save_of_an_older_step_does_not_delete_itself(tmp_path: Path, remedy: str) -> None:
    """Where a run starts anew in a directory with higher steps, rotation by number deletes what was just saved."""
    training = Training(tmp_path, REMEDIES[remedy], keep=2)
    training.run(5)
    training.promised = 0
    job = training.run(2, first=2)
    assert (job.errors, job.hangs) == ({}, [])
    assert len(training.copies()["model.safetensors"]) == 2
    assert any("checkpoint-2/" in path for path in training.copies()["model.safetensors"])


@every_remedy
def test_without_keep_every_checkpoint_stays(tmp_path: Path, remedy: str) -> None:
    training = Training(tmp_path, REMEDIES[remedy], keep=None)
    training.run(STEPS)
    assert len(training.copies()["model.safetensors"]) == STEPS


def test_a_manifest_keeps_a_damaged_file_from_being_taken_for_good(tmp_path: Path) -> None:
    training = Training(tmp_path, ManifestLast, keep=2)
    training.run(2)
    newest = tmp_path / "checkpoint-2" / "optimizer.pt"
    content = newest.read_bytes()
    newest.write_bytes(content[:-1])
    training.promised = 1
    assert training.resumable() == 1
    newest.write_bytes((tmp_path / "checkpoint-1" / "optimizer.pt").read_bytes())
    with pytest.raises(AssertionError, match="not the content that the manifest says"):
        training.resumable()


@pytest.mark.parametrize("left", [0, 8, 11, 40, -40, -2, -1])
def test_a_rank_that_reads_its_part_of_a_torn_manifest_says_so(tmp_path: Path, left: int) -> None:
    training = Training(tmp_path, ManifestLast, keep=2)
    training.run(1)
    path = tmp_path / "checkpoint-1" / "manifest.json"
    path.write_text(path.read_text()[:left])
    rank: Any = SimpleNamespace(fresh_state=lambda step: pytest.fail("nothing is known of a torn manifest"))
    with pytest.raises(ValueError, match=r"manifest.json: torn"):
        load_verified(rank, path.parent)


@pytest.mark.parametrize("hard_links", [True, False])
def test_an_unchanged_shard_is_written_once(tmp_path: Path, hard_links: bool) -> None:
    training = Training(tmp_path, lambda: Incremental(hard_links=hard_links), keep=2, frozen=True)
    job = training.run(4)
    written = [arguments[0] for _, call, arguments in job.log if call == "write"]
    assert sum("frozen" in str(path) for path in written) == 1
    assert sum("model.safetensors" in str(path) for path in written) == 4
    assert len(training.copies()["frozen.safetensors"]) == (2 if hard_links else 1)
    assert training.resumable() == 4


def test_a_shard_is_written_where_links_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    training = Training(tmp_path, Incremental, frozen=True)
    training.run(2)
    assert training.resumable() == 2
    assert (tmp_path / "checkpoint-2" / "frozen.safetensors").stat().st_nlink == 1


def test_nodes_need_not_see_each_others_directories(tmp_path: Path) -> None:
    """Each node resumes from its own directory; what another node wrote is handed around."""
    training = Training(tmp_path, PerNodeDirectories, layout="zero", ranks_per_node=2)
    training.run(2)
    model = tmp_path / "node-0" / "checkpoint-2" / "model.safetensors"
    assert model.exists()
    assert not (tmp_path / "node-1" / "checkpoint-2" / "model.safetensors").exists()
    assert training.resumable() == 2
    model.unlink()
    with pytest.raises(AssertionError, match="model\\.safetensors"):
        training.resumable()


def test_a_checkpoint_that_only_one_node_has_is_not_picked(tmp_path: Path) -> None:
    training = Training(tmp_path, PerNodeDirectories, keep=2)
    training.run(2)
    (tmp_path / "node-1" / "checkpoint-2").rename(tmp_path / "gone")
    training.promised = 1
    assert training.resumable() == 1
    training.run(2)
    assert training.resumable() == 2
    assert sorted(path.name for path in (tmp_path / "node-0").iterdir()) == ["checkpoint-1", "checkpoint-2"]
