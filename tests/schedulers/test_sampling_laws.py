"""The laws that the papers promise of their schedulers, measured."""

from __future__ import annotations

import itertools
from collections import Counter
from math import sqrt
from random import Random

import pytest
from scipy.stats import chisquare

from simulator.run import Scheduler
from simulator.schedulers.pct import PCT
from simulator.schedulers.pos import PartialOrderSampling
from simulator.schedulers.random_walk import RandomWalk
from simulator.schedulers.surw import SelectivelyUniformWalk
from tests.schedulers.machine import Machine, read, write

Order = list[tuple[int, int]]


def test_the_random_walk_is_uniform_over_the_choices_of_three_ranks_with_six_writes() -> None:
    programs = [[write("x")] * 6 for _ in range(3)]
    seen: Counter[tuple[int, ...]] = Counter()
    for seed in range(5400):
        order = Machine(programs).run(RandomWalk(Random(seed)))
        seen[tuple(task for task, _ in order[:3])] += 1
    assert len(seen) == 27
    assert chisquare(list(seen.values())).pvalue > 1e-4


def test_a_sticky_walk_switches_as_rarely_as_it_says() -> None:
    programs = [[write("x")] * 200 for _ in range(2)]
    order = Machine(programs).run(RandomWalk(Random(1), stay=0.9))
    both_ready = order[: 1 + min(i for i, (_, n) in enumerate(order) if n == 199)]
    switched = sum(a[0] != b[0] for a, b in itertools.pairwise(both_ready))
    expected = 0.05 * len(both_ready)
    assert abs(switched - expected) < 5 * sqrt(expected)


def _before(order: Order, *events: tuple[int, int]) -> bool:
    positions = [order.index(event) for event in events]
    return positions == sorted(positions)


@pytest.mark.parametrize(
    ("depth", "bug"),
    [
        (1, lambda order: _before(order, (1, 0), (0, 0))),
        (2, lambda order: _before(order, (0, 2), (1, 0), (0, 3))),
        (3, lambda order: _before(order, (0, 1), (1, 1), (0, 2)) and _before(order, (1, 1), (0, 2), (1, 2))),
    ],
)
def test_pct_finds_a_bug_of_depth_d_at_least_as_often_as_its_bound_says(depth: int, bug) -> None:  # type: ignore[no-untyped-def]
    ranks, each = 2, 5
    runs = 4000
    hits = sum(
        bug(Machine([[write("x")] * each] * ranks).run(PCT(Random(seed), depth, ranks * each))) for seed in range(runs)
    )
    bound = 1 / (ranks * (ranks * each) ** (depth - 1))
    assert hits >= runs * bound - 4 * sqrt(runs * bound * (1 - bound))


def _schedules_to_first(bug, make, programs, limit: int = 3000) -> int:  # type: ignore[no-untyped-def]
    for number in range(limit):
        if bug(Machine(programs).run(make(Random(number)))):
            return number + 1
    return limit


def _reorder(writers: int):  # type: ignore[no-untyped-def]
    """reorder_N of SCTBench: N ranks write a, then b; a checker that sees b without a of someone has found it."""
    programs = [*[[write("a"), write("b")] for _ in range(writers)], [read("a"), read("b")]]

    def bug(order: Order) -> bool:
        # The checker reads a before anybody wrote it and b after somebody wrote it.
        checker = writers
        first_a = min(order.index((w, 0)) for w in range(writers))
        first_b = min(order.index((w, 1)) for w in range(writers))
        return order.index((checker, 0)) < first_a and first_b < order.index((checker, 1))

    profile = {
        p: {**dict.fromkeys(range(writers), 1), checker_task: 1} for p in ("a", "b") for checker_task in (writers,)
    }
    return programs, bug, profile


def test_surw_finds_reorder_sooner_than_the_random_walk_as_published() -> None:
    def median(make, programs, bug) -> float:  # type: ignore[no-untyped-def]
        found = sorted(
            _schedules_to_first(bug, lambda r, base=base: make(Random(r.random() + base)), programs)
            for base in range(25)
        )
        return found[len(found) // 2]

    programs, bug, profile = _reorder(6)
    surw = median(lambda random: SelectivelyUniformWalk(random, profile), programs, bug)
    walk = median(RandomWalk, programs, bug)
    assert surw < walk


def test_pos_draws_anew_only_for_operations_that_race() -> None:
    programs = [[write("x"), write("x")], [write("x")], [write("y")]]
    seen = Counter(tuple(t for t, _ in Machine(programs).run(PartialOrderSampling(Random(s)))) for s in range(3000))
    assert len(seen) == 12, "every interleaving is reachable"
    # Orders of the three conflicting writes: the paper's improvement over plain priorities is that the middle one
    # (0, 1, 0) is not rarer than 1/6.
    middle = sum(count for order, count in seen.items() if [t for t in order if t != 2] == [0, 1, 0])
    assert middle / 3000 > 1 / 6


@pytest.mark.parametrize(
    "make",
    [
        RandomWalk,
        lambda r: PCT(r, 3, 12),
        PartialOrderSampling,
        lambda r: SelectivelyUniformWalk(r, {"x": {0: 2, 1: 2}}),
    ],
)
def test_the_same_seed_gives_the_same_schedule(make) -> None:  # type: ignore[no-untyped-def]
    programs = [[write("x"), read("y"), write("x")], [write("x"), read("x")], [read("x")]]

    def order() -> Order:
        scheduler: Scheduler = make(Random(7))
        return Machine(programs).run(scheduler)

    assert order() == order()
