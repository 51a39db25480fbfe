"""The order of syncing in the remedies: what is published is durable, and nothing goes before what replaces it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from strategies.durable.names import checkpoints, new_name, place, retained
from strategies.incremental import Incremental
from strategies.manifest import ManifestLast
from strategies.per_node_dirs import PerNodeDirectories
from strategies.staged_barrier import StagedBarrier
from tests.strategies.training import Training


class Volatile:
    """What power loss could take: files whose data is not synced, directories whose names are not."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data: set[Path] = set()
        self.names: set[Path] = set()
        self.publications: set[Path] = set()
        self.withdrawals: set[Path] = set()
        self.opened: dict[int, Path] = {}
        self.faults: list[str] = []
        self.published = self.withdrawn = 0

    def see(self, rank: int, call: str, arguments: tuple[Any, ...]) -> None:
        """Follow one call. Calls relative to a directory's descriptor are the inside of an rmtree: not followed."""
        if call == "fsync":
            for volatile in (self.data, self.names, self.publications, self.withdrawals):
                volatile.discard(self.opened[rank])
            return
        if not isinstance(arguments[0], str | Path) or not Path(arguments[0]).is_absolute():
            return
        path = Path(arguments[0])
        if call == "open":
            self.opened[rank] = path
        elif call == "write":
            self.data.add(path)
        elif call in ("create", "mkdir"):
            self.names.add(path.parent)
        elif call == "link":
            self.names.add(Path(arguments[1]).parent)
        elif call in ("rename", "replace"):
            self.move(path, Path(arguments[1]))
        elif call == "unlink" and path.name == "manifest.json":
            self.withdraw(path.parent, path.parent)
        elif call == "lstat" and (path in self.withdrawals or path.parent in self.withdrawals):
            self.faults.append(f"{path} is deleted before its withdrawal is durable")

    def move(self, source: Path, target: Path) -> None:
        if target.name.startswith("removing-"):
            self.withdraw(source, source.parent)
        else:
            self.published += 1
            must = {path for path in self.data | self.names if path.is_relative_to(source)}
            must |= self.names & set(source.parent.parents)
            if target.name == "manifest.json":
                must |= {path for path in self.data | self.names if source.parent in path.parents}
            self.faults += [f"{path} is not durable when {target} is published" for path in must]
            self.publications.add(target.parent)
        below = (path for path in self.data | self.names if path.is_relative_to(source))
        renamed = {path: target / path.relative_to(source) for path in below}
        self.data = {renamed.get(path, path) for path in self.data}
        self.names = {renamed.get(path, path) for path in self.names} | {target.parent}

    def withdraw(self, checkpoint: Path, directory: Path) -> None:
        self.withdrawn += 1
        self.faults += [f"what is published in {path} is not durable when {checkpoint} goes" for path in
                        self.publications]  # fmt: skip
        self.withdrawals.add(directory)


REMEDIES: dict[str, Callable[[], Any]] = {
    "staged-barrier": StagedBarrier,
    "per-node-dirs": PerNodeDirectories,
    "manifest": ManifestLast,
    "incremental": Incremental,
    "incremental-references": lambda: Incremental(hard_links=False),
}


def volatile_after(root: Path, remedy: Callable[[], Any], seed: int) -> Volatile:
    training = Training(root, remedy, layout="zero", ranks_per_node=2, frozen=True)
    job = training.run(3, seed=seed)
    assert (job.errors, job.hangs) == ({}, [])
    volatile = Volatile(root)
    for rank, call, arguments in job.log:
        volatile.see(rank, call, arguments)
    return volatile


@pytest.mark.parametrize("remedy", REMEDIES)
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_published_or_deleted_before_what_it_rests_on_is_durable(
    tmp_path: Path, remedy: str, seed: int
) -> None:
    volatile = volatile_after(tmp_path, REMEDIES[remedy], seed)
    assert volatile.faults == []
    nodes = 2 if remedy == "per-node-dirs" else 1
    assert volatile.publications == set()
    assert (volatile.published, volatile.withdrawn) == (3 * nodes, 2 * nodes)


@pytest.mark.parametrize("remedy", [StagedBarrier, PerNodeDirectories, ManifestLast, Incremental])
def test_without_fsync_this_check_would_notice(tmp_path: Path, remedy: type) -> None:
    volatile = volatile_after(tmp_path, lambda: remedy(fsync=False), 0)
    for complaint in ("is not durable when", "what is published in", "before its withdrawal is durable"):
        assert any(complaint in fault for fault in volatile.faults)


NAMES = st.lists(
    st.builds(lambda step, serial: f"checkpoint-{step}" + (f".{serial}" if serial > 1 else ""),
              st.integers(0, 30), st.integers(1, 4)), unique=True)  # fmt: skip


@given(NAMES, st.integers(0, 30))
def test_a_new_name_is_new_and_the_last_of_its_step(names: list[str], step: int) -> None:
    name = new_name(step, [*names, "tmp-checkpoint-7", "checkpoint-7.x"])
    assert name not in names
    assert place(name)[0] == step
    assert all(place(name) > place(other) for other in names if place(other)[0] == step)


@given(NAMES, st.data())
def test_rotation_retains_the_newest_the_best_and_no_more_than_asked_for(names: list[str], data: st.DataObject) -> None:
    newest = data.draw(st.sampled_from(names)) if names else "checkpoint-3"
    keep = data.draw(st.none() | st.integers(0, 5))
    best = data.draw(st.none() | st.integers(0, 30))
    kept = retained(names, newest, keep, best)
    steps = [place(name)[0] for name in kept]
    assert newest in kept <= {*names, newest}
    assert len(set(steps)) == len(steps)
    assert best not in {place(name)[0] for name in names} or best in steps
    others = sorted({place(name)[0] for name in names} - {place(newest)[0]}, reverse=True)
    if keep is None or keep < 1:
        assert sorted(steps) == sorted({place(newest)[0], *others})
    else:
        assert set(steps) - {best} <= {place(newest)[0], *others[: keep - 1]}
        assert {place(newest)[0], *others[: keep - 1]} <= set(steps)


def test_only_names_of_checkpoints_are_taken_for_checkpoints() -> None:
    names = ["checkpoint-10", "checkpoint-9", "checkpoint-9.2", "staging-checkpoint-9-00ff", "checkpoint-", "x"]
    assert checkpoints(names) == ["checkpoint-9", "checkpoint-9.2", "checkpoint-10"]
    with pytest.raises(ValueError, match="'x'"):
        place("x")
