"""Times that code compares with more than each other: every order of changes that they depend on is explored."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.rank import Rank


def makes_after(seconds: float, *names: str) -> simulator.Program:
    def program(rank: Rank) -> None:
        time.sleep(seconds)
        for name in names:
            os.mkdir(rank.root / name)

    return program


def from_the_future(rank: Rank) -> None:
    os.mkdir(rank.root / "mine")
    if os.path.getmtime(rank.root / "mine") > time.time() + 50:
        raise RuntimeError("made in the future")


def far_apart(rank: Rank) -> None:
    os.mkdir(rank.root / "first")
    os.mkdir(rank.root / "second")
    first, second = (os.stat(rank.root / name) for name in ("first", "second"))
    if second.st_mtime_ns - first.st_mtime_ns > 50 * 10**9:
        raise RuntimeError("made far apart")


def in_another_minute(rank: Rank) -> None:
    os.mkdir(rank.root / "mine")
    if os.stat(rank.root / "mine")[8] > 1_767_225_650:
        raise RuntimeError("made in another minute")


@pytest.mark.parametrize("program", [from_the_future, far_apart, in_another_minute])
def test_code_that_may_notice_how_late_a_change_was_sees_it_before_and_after_all_others(
    program: simulator.Program,
) -> None:
    result = simulator.certify([program, makes_after(100, "a", "b")])
    assert result.failure is not None
    assert "made" in result.failure.error


def compares_orders(rank: Rank) -> bool:
    os.mkdir(rank.root / "first")
    os.mkdir(rank.root / "second")
    newest = max((os.path.getmtime(rank.root / name), name) for name in ("first", "second"))
    os.utime(rank.root / "first", ns=(os.stat(rank.root / "second").st_mtime_ns,) * 2)
    return newest[0] > 0 and newest[1] == "second"


def test_the_order_of_times_depends_on_no_changes_but_those_of_what_is_compared() -> None:
    assert simulator.certify([compares_orders, makes_after(100, "a", "b")]).classes == 1


def test_a_change_of_an_access_time_is_seen_or_not() -> None:
    def looks_twice(rank: Rank) -> None:
        before, after = os.stat(rank.root), os.stat(rank.root)
        if before.st_atime_ns != after.st_atime_ns:
            raise RuntimeError("it has changed")

    def touches(rank: Rank) -> None:
        os.utime(rank.root)

    assert simulator.certify([looks_twice, touches]).verdict == "violated"


def saves(rank: Rank) -> None:
    os.makedirs(rank.root / f"checkpoint-{rank.index}", exist_ok=True)


def test_a_restart_that_looks_at_the_age_of_files_makes_the_search_incomplete() -> None:
    def picks_a_young_one(root: Path) -> Path | None:
        found = [path for path in root.iterdir() if time.time() - path.stat().st_mtime < 3600]
        return found[0] if found else None

    result = simulator.certify(saves, nodes=2, pick=picks_a_young_one, invariants=["no-error", "complete"])
    assert result.verdict == "incomplete"
    assert result.reason is not None
    assert "how old a file is" in result.reason


def test_a_later_attempt_that_looks_at_the_age_of_files_makes_the_search_incomplete() -> None:
    def program(rank: Rank) -> None:
        saves(rank)
        if time.time() - os.path.getmtime(rank.root) < -100:
            raise RuntimeError("from the future")

    assert simulator.certify(program, nodes=2).verdict == "certified"
    assert simulator.certify(program, nodes=2, restarts=1).verdict == "incomplete"


def test_how_late_a_change_is_depends_on_operations_that_change_nothing() -> None:
    def only_looks(rank: Rank) -> None:
        time.sleep(100)
        os.path.exists(rank.root / "a")

    result = simulator.certify([from_the_future, only_looks])
    assert result.failure is not None
    assert simulator.replay(result.failure.trace).digest == result.failure.trace.digest


def test_a_time_that_is_set_by_the_clock_is_before_or_after_those_that_operations_get() -> None:
    def sets(rank: Rank) -> None:
        os.mkdir(rank.root / "set")
        time.sleep(50)
        now = time.time_ns()
        os.utime(rank.root / "set", ns=(now, now))
        rank.barrier()

    def compares(rank: Rank) -> None:
        os.mkdir(rank.root / "given")
        rank.barrier()
        if os.path.getmtime(rank.root / "given") > os.path.getmtime(rank.root / "set"):
            raise RuntimeError("it was given a later one")

    def only_looks(rank: Rank) -> None:
        time.sleep(100)
        os.path.exists(rank.root / "a")
        rank.barrier()

    result = simulator.certify([compares, sets, only_looks])
    assert result.failure is not None
    assert "later one" in result.failure.error


def test_a_time_that_is_copied_from_another_file_follows_it_in_every_order() -> None:
    def copies(rank: Rank) -> None:
        os.mkdir(rank.root / "old")
        os.mkdir(rank.root / "new")
        shutil.copystat(rank.root / "old", rank.root / "new")
        rank.barrier()

    def changes(rank: Rank) -> None:
        for number in range(3):
            os.mkdir(rank.root / f"other{number}")
        rank.barrier()

    def newest(root: Path) -> Path | None:
        found = [path for path in root.iterdir() if path.name in ("new", "other0")]
        return max(found, key=os.path.getmtime) if found else None

    def a_copy_is_as_old_as_its_source(world: Any) -> str | None:
        names = os.listdir(world.root)
        if len(world.returned) < 2:
            return None
        times = {name: os.path.getmtime(world.root / name) for name in names}
        return None if times["old"] == times["new"] else "another time"

    result = simulator.certify([copies, changes], pick=newest, invariants=["no-error", a_copy_is_as_old_as_its_source])
    assert (result.verdict, result.failure) == ("certified", None)


def test_a_time_that_is_set_by_the_clock_is_in_every_order_also_if_only_an_invariant_looks_at_it() -> None:
    def sets(rank: Rank) -> None:
        os.mkdir(rank.root / "set")
        time.sleep(50)
        now = time.time_ns()
        os.utime(rank.root / "set", ns=(now, now))

    def only_looks(rank: Rank) -> None:
        time.sleep(100)
        os.path.exists(rank.root / "a")

    def what_was_given_is_older(world: Any) -> str | None:
        if len(world.returned) < 3:
            return None
        given, at = (os.path.getmtime(world.root / name) for name in ("given", "set"))
        return "it was given a later time" if given > at else None

    gives = makes_after(0, "given")
    result = simulator.certify([gives, sets, only_looks], invariants=["no-error", what_was_given_is_older])
    assert result.failure is not None
    assert "later time" in result.failure.error


def test_a_rank_that_polls_and_makes_something_of_the_age_of_files_is_never_certified() -> None:
    def polls(rank: Rank) -> bool:
        while not os.path.exists(rank.root / "marker"):
            time.sleep(1)
        return time.time() - os.path.getmtime(rank.root / "marker") < 1

    result = simulator.certify([polls, makes_after(10, "marker")], max_classes=50)
    assert result.verdict == "incomplete"
