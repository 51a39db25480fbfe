"""Exhaustive search against all interleavings, one by one: the same classes, outcomes and states."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count, islice
from random import Random

import pytest

from simulator.boundary import installed
from simulator.experiment import ROOT
from simulator.rank import Rank
from tests.exhaustive.brute_force import TooLong, all_interleavings, starter
from tests.exhaustive.programs import Actions, filled, random_program
from tests.exhaustive.searching import both, searched

_CHUNK = 10


def hold_equal(actions: list[Actions], runs: int = 20_000) -> None:
    search, brute = both(actions, runs=runs)
    assert search.classes == brute.classes
    assert search.outcomes == brute.outcomes
    assert search.states == brute.states
    assert search.runs == len(search.classes)


def programs_of(seed: int) -> Iterator[list[Actions]]:
    return (random_program(Random(f"{seed}/{number}")) for number in count())


def hold_equal_on_random_programs(seed: int, programs: int, runs: int) -> None:
    """On so many programs that take at most so many interleavings, from those that a seed gives."""
    done = 0
    for actions in programs_of(seed):
        try:
            hold_equal(actions, runs)
        except TooLong:
            continue
        except AssertionError as error:
            raise AssertionError(f"not as brute force says: {actions}") from error
        done += 1
        if done == programs:
            return


@pytest.mark.parametrize("seed", range(6))
def test_random_programs_have_the_classes_outcomes_and_states_of_brute_force(seed: int) -> None:
    hold_equal_on_random_programs(seed, _CHUNK, runs=300)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1100))
def test_a_thousand_random_programs_have_the_classes_outcomes_and_states_of_brute_force(seed: int) -> None:
    hold_equal_on_random_programs(seed, _CHUNK, runs=4000)


@pytest.mark.parametrize("preemptions", [0, 1])
def test_a_bounded_search_has_every_class_that_a_schedule_within_the_bound_belongs_to(preemptions: int) -> None:
    left_out = 0
    for actions in islice(programs_of(77), 12):
        try:
            search, brute = both(actions, runs=300, preemptions=preemptions)
        except TooLong:
            continue
        within = {key for key, spent in brute.preempted.items() if spent <= preemptions}
        assert within <= search.classes <= brute.classes, actions
        left_out += len(brute.classes - search.classes)
    assert left_out, "no program was bounded: nothing was tested"


def test_a_marker_without_the_shard_is_among_the_states_though_nothing_conflicts() -> None:
    search, brute = both([[("create", "a/shard")], [("create", "b/marker")]])
    assert (len(search.classes), search.runs) == (1, 1)
    assert search.states == brute.states
    assert len(search.states) == 4


def test_two_touches_are_in_both_orders_when_somebody_compares_their_times_and_not_otherwise() -> None:
    touches: list[Actions] = [[("utime", "a/f"), ("barrier",)], [("utime", "h"), ("barrier",)]]
    search, _ = both([[*touches[0], ("newer", "a/f", "h")], touches[1]])
    assert len({outcome[0] for outcome in search.outcomes}) == 2
    assert len(search.classes) == 2
    search, _ = both([[*touches[0], ("size", "a/f")], touches[1]])
    assert len(search.classes) == 1


PARTICULAR: list[list[Actions]] = [
    [[("rename", "a", "b")], [("rename", "b", "a")], [("listdir", "a")]],
    [[("rmtree", "a")], [("create", "a/g"), ("listdir", "a")]],
    [[("rmtree", "a")], [("rmtree", "a")]],
    [[("lock", "h"), ("append", "h")], [("lock", "h"), ("read", "h")]],
    [[("lock", "h")], [("lock", "h")], [("try", "h")]],
    [[("try", "h"), ("lock", "a/f")], [("try", "a/f"), ("lock", "h")]],
    [[("create", "h"), ("unlink", "h"), ("write",)], [("link", "h", "g"), ("links", "g")]],
    [[("symlink", "a", "c"), ("create", "c/g")], [("rename", "a", "d"), ("listdir", "d")]],
    [[("rename", "a/f", "b/f")], [("newer", "a", "b")], [("chmod", "b"), ("changed", "a", "b")]],
    [[("create", "a/g"), ("gather",), ("unlink", "h")], [("gather",), ("listdir", "a"), ("append", "h")]],
    [
        [("gather",), ("rename", "a", "b")],
        [("rmdir", "b"), ("gather",), ("exists", "a")],
        [("create", "b"), ("gather",)],
    ],
    [[("late", "a/f", "h")], [("append", "h"), ("late", "a/f", "h")]],
    [[("begin",), ("create", "b/g"), ("end",), ("listdir", "b")], [("listdir", "b"), ("begin",), ("unlink", "h")]],
    [
        [("begin",), ("rename", "a", "c"), ("end",), ("exists", "b")],
        [("begin",), ("exists", "a"), ("end",), ("rmdir", "b")],
        [("exists", "a"), ("begin",), ("exists", "c"), ("end",)],
    ],
]


@pytest.mark.parametrize("actions", PARTICULAR, ids=str)
def test_a_program_in_which_ranks_get_in_each_others_way_has_what_brute_force_says(actions: list[Actions]) -> None:
    hold_equal(actions)


def test_a_time_that_is_looked_at_late_and_only_in_some_runs_orders_what_it_must() -> None:
    def looks_later(rank: Rank) -> bool | None:
        first, second = os.stat(rank.root / "a/f"), os.stat(rank.root / "h")
        if os.path.exists(rank.root / "a/g"):
            return first.st_mtime_ns > second.st_mtime_ns
        return None

    def touches(rank: Rank) -> None:
        os.utime(rank.root / "a/f")
        os.close(os.open(rank.root / "a/g", os.O_CREAT))

    def touches_the_other(rank: Rank) -> None:
        os.utime(rank.root / "h")

    programs = [looks_later, touches, touches_the_other]
    with installed():
        search, brute = searched(programs), all_interleavings(starter(programs, filled, ROOT), 14)
    assert search.classes == brute.classes
    assert search.outcomes == brute.outcomes
    assert search.runs == len(search.classes)
