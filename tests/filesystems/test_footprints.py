"""Operations whose footprints do not conflict commute exactly: exhaustive search rests on it."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from simulator.filesystems import Attributes, PosixModel
from simulator.operations import (
    Access,
    Footprint,
    Mode,
    Open,
    Operation,
    Readdir,
    Stat,
    change_time,
    conflict,
    links,
    merged,
    modification_time,
    paths_of,
)
from tests.filesystems.generation import RANKS, Writer
from tests.filesystems.outcomes import outcome
from tests.filesystems.states import Times, state_of, times_of

Step = tuple[int, Operation, int, bool]
"""Rank, operation, when, and whether the times and the link count in its result are looked at."""


def random_state(random: Random, length: int) -> tuple[PosixModel, Writer]:
    """A model after a random program, and the writer that knows its descriptors."""
    model, writer = PosixModel(), Writer(random, crowded=True)
    program = writer.program(length)
    step = next(program)
    for now in range(1, 1_000_000):
        try:
            step = program.send(outcome(model, *step, now))
        except StopIteration:
            break
    return model, writer


def carry_out(model: PosixModel, step: Step) -> tuple[Any, Footprint]:
    """Do one operation and give what its rank can see of the result, with the footprint."""
    rank, operation, now, looked = step
    accesses: list[Access] = []
    model.accesses = accesses
    result = outcome(model, rank, operation, now)
    model.accesses = None
    if isinstance(result, Attributes):
        if looked:
            accesses += [(facet(result.inode), Mode.READ) for facet in (modification_time, change_time, links)]
        else:
            result = msgspec.structs.replace(result, accessed=0, modified=0, changed=0, links=0)
    return result, tuple(accesses)


def both(model: PosixModel, first: Step, second: Step) -> tuple[Any, ...]:
    """Do two operations in this order and undo them: results, footprints, state, digest, times."""
    mark = model.mark()
    one, other = carry_out(model, first), carry_out(model, second)
    found = (one, other, state_of(model), model.digest(), times_of(model))
    model.rollback(mark)
    return found


def check_pair(model: PosixModel, first: Step, second: Step) -> bool:
    """Whether the two may be exchanged by their footprints; if so, they must be exchangeable in fact."""
    (result, footprint), (other, other_footprint), state, digest, times = both(model, first, second)
    if conflict(footprint, other_footprint) is not None:
        return False
    swapped = both(model, second, first)
    about = (first, second)
    assert swapped[1][0] == result, about
    assert swapped[0][0] == other, about
    assert set(swapped[1][1]) == set(footprint), about
    assert set(swapped[0][1]) == set(other_footprint), about
    assert swapped[2] == state, about
    assert swapped[3] == digest, about
    assert _settled(swapped[4], footprint, other_footprint) == _settled(times, footprint, other_footprint), about
    return True


def _settled(times: Times, first: Footprint, second: Footprint) -> dict[tuple[int, int], int]:
    """The times that at most one of two footprints says to move."""
    one, other = merged(first), merged(second)
    kept = {}
    for number, (modified, changed, accessed) in times.items():
        moved = [modification_time(number) in touched for touched in (one, other)]
        altered = [moves or change_time(number) in touched for moves, touched in zip(moved, (one, other), strict=True)]
        if not all(moved):
            kept[number, 0], kept[number, 2] = modified, accessed
        if not all(altered):
            kept[number, 1] = changed
    return kept


def related_steps(model: PosixModel, writer: Writer, rank: int, other: int) -> tuple[Step, Step]:
    """Two operations likely to be about the same names or what lies below them; the first mostly changes something."""
    for _ in range(20):
        first = random_step(writer, rank, 10**7)
        mark = model.mark()
        _, footprint = carry_out(model, first)
        model.rollback(mark)
        if any(inode > 0 and mode is not Mode.READ for (inode, _), mode in footprint):
            break
    known = writer.known
    paths = [path for path in paths_of(first[1]) if path]
    writer.known = [*paths, *(path.rpartition("/")[0] or path for path in paths)] or known
    second = random_step(writer, other, 10**7 + 1)
    if writer.random.random() < 0.3:
        second = (other, onlooker(writer, other), 10**7 + 1, True)
    writer.known = known
    return first, second


def onlooker(writer: Writer, rank: int) -> Operation:
    """An operation whose result tells much about one thing."""
    target = writer.target(rank)
    follow = writer.random.random() < 0.5
    return writer.random.choice((Stat(target, follow), Stat(target), Readdir(target), Open(writer.path(), os.O_RDONLY)))


def random_step(writer: Writer, rank: int, now: int) -> Step:
    return rank, writer.operation(rank), now, writer.random.random() < 0.5


@pytest.mark.parametrize("seed", range(8))
def test_operations_without_conflict_commute_from_random_states(seed: int) -> None:
    random = Random(seed)
    exchanged = met = 0
    for _ in range(30):
        model, writer = random_state(random, random.choice((20, 60, 150)))
        before, digest, times = state_of(model), model.digest(), times_of(model)
        for _ in range(40):
            rank = random.randrange(RANKS)
            other = (rank + random.choice((0, 1, 2))) % RANKS
            if check_pair(model, *related_steps(model, writer, rank, other)):
                exchanged += 1
            else:
                met += 1
        assert (state_of(model), model.digest(), times_of(model)) == (before, digest, times)
    assert exchanged > 200
    assert met > 100


@given(st.randoms(use_true_random=False), st.integers(1, 15))
def test_operations_without_conflict_commute(random: Random, length: int) -> None:
    model, writer = random_state(random, length)
    check_pair(model, *related_steps(model, writer, 0, random.choice((0, 1))))


@pytest.mark.parametrize("seed", range(4))
def test_a_footprint_names_everything_that_an_operation_changes(seed: int) -> None:
    random = Random(1000 + seed)
    for _ in range(20):
        model, writer = random_state(random, 60)
        for _ in range(40):
            rank = random.randrange(RANKS)
            before, times = state_of(model)["inodes"], times_of(model)
            mark = model.mark()
            _, footprint = carry_out(model, random_step(writer, rank, 10**7))
            touched = merged(footprint)
            after, moved = state_of(model)["inodes"], times_of(model)
            for number in before.keys() & after.keys():
                old, new = before[number], after[number]
                changing = {facet for (inode, facet), mode in touched.items() if inode == number and mode > Mode.READ}
                assert old[:3] == new[:3] or ":attributes" in changing
                assert old[3] == new[3] or ":links" in changing
                assert old[4] == new[4] or ":data" in changing
                assert old[6].keys() == new[6].keys() or ":listing" in changing
                names = {name for name, _ in old[6].items() ^ new[6].items()}
                assert {"/" + name for name in names} <= changing
                parents = [{parent for parent, _ in inode[7]} for inode in (old, new) if inode[0] & 0o040000]
                assert not parents or parents[0] == parents[1] or "/.." in changing
                assert times[number][0] == moved[number][0] or ":mtime" in changing
                assert times[number][1] == moved[number][1] or changing & {":mtime", ":ctime"}
            model.rollback(mark)


def test_a_stat_does_not_look_at_times() -> None:
    model = PosixModel()
    model.accesses = []
    model.perform(0, Stat(""))
    assert {facet for (_, facet), _ in model.accesses} == {":attributes"}
