"""Laws of the crash model, for random programs and every profile."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings, strategies as st

from simulator.filesystems import PosixModel
from simulator.filesystems.durability import (
    PROFILES,
    Affected,
    DurableModel,
    Ordering,
    Persistence,
    Telling,
    downward_closed,
    generators,
    persistence_named,
)
from simulator.filesystems.durability.history import members
from simulator.filesystems.durability.micro_operations import AttributeChange
from simulator.filesystems.posix.inode import NO_ENTRIES
from simulator.operations import Access, Close, Fsync, Open, Read, Readdir
from tests.filesystems.durability.cutting import perform
from tests.filesystems.durability.running import Tree, allows, crashed, tree_of
from tests.filesystems.durability.writing import reused_names, reusing
from tests.filesystems.generation import RANKS, Writer
from tests.filesystems.outcomes import outcome

SEEDS = st.integers(0, 2**32)
PERSISTENCES = [*PROFILES.values(), persistence_named("posix-min", {"rename": "torn"})]
EACH = pytest.mark.parametrize("persistence", PERSISTENCES, ids=lambda each: f"{each.name}-{each.rename}")
FEW = 100
SOME = settings(max_examples=25)


class Machine:
    """A random program on the crash model."""

    def __init__(self, persistence: Persistence, seed: int, length: int) -> None:
        self.model = DurableModel(persistence)
        self.now = 0
        self.writer = Writer(Random(seed), crowded=True)
        self.go_on(length)

    def go_on(self, length: int) -> None:
        program = self.writer.program(length)
        found: Any = None
        while True:
            try:
                rank, operation = program.send(found)
            except StopIteration:
                return
            found = self.do(rank, operation)

    def do(self, rank: int, operation: Any) -> Any:
        self.now += 1000
        return outcome(self.model, rank, operation, self.now)


def some_sets(ordering: Ordering) -> list[int]:
    return [each for each, _ in zip(downward_closed(ordering), range(FEW), strict=False)]


@EACH
@SOME
@given(seed=SEEDS)
def test_when_all_is_durable_the_disk_holds_what_everybody_sees(persistence: Persistence, seed: int) -> None:
    model = Machine(persistence, seed, 60).model
    disk = model.state(model.ordering().all)
    assert disk.digest() == model.digest()
    times = {path: inode.modified for path, inode in model.walk_files()}
    assert {path: inode.modified for path, inode in disk.walk_files()} == times


@EACH
@SOME
@given(seed=SEEDS)
def test_after_a_sync_of_everything_there_is_one_state(persistence: Persistence, seed: int) -> None:
    machine = Machine(persistence, seed, 40)
    machine.model.release_all()
    directories = [""]
    for path, inode in list(machine.model.walk_files()):
        if inode.entries is not NO_ENTRIES:
            directories.append(path)
        elif inode.text is not None:
            assume(not any(isinstance(r.what, AttributeChange) for r in machine.model.records))  # A link has no sync.
        else:
            fd = machine.do(0, Open(path, os.O_WRONLY))
            machine.do(0, Fsync(fd))
            machine.do(0, Close(fd))
    for path in reversed(directories):
        fd = machine.do(0, Open(path, os.O_RDONLY))
        machine.do(0, Fsync(fd))
        machine.do(0, Close(fd))
    model = machine.model
    ordering = model.ordering()
    digests = {model.state(kept).digest() for kept in some_sets(ordering)}
    digests.add(model.state(ordering.certain).digest())
    assert digests == {model.digest()}


@EACH
@SOME
@given(seed=SEEDS)
def test_every_state_is_a_valid_tree(persistence: Persistence, seed: int) -> None:
    model = Machine(persistence, seed, 25).model
    for kept in some_sets(model.ordering()):
        disk = model.state(kept)
        names: dict[int, int] = {}
        below: dict[int, int] = {1: 0}
        inodes = {1: disk.tree.root}
        for _, inode in disk.walk_files():
            names[inode.number] = names.get(inode.number, 0) + 1
            inodes[inode.number] = inode
            if inode.entries is not NO_ENTRIES:
                assert inode.parent is not None
                below[inode.parent.number] = below.get(inode.parent.number, 0) + 1
        for number, inode in inodes.items():
            if inode.entries is NO_ENTRIES:
                assert inode.links == names[number]
            else:
                assert (names.get(number, 1), inode.links) == (1, 2 + below.get(number, 0))


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "posix-min"])
@SOME
@given(seed=SEEDS)
def test_what_a_stronger_profile_allows_posix_allows(name: str, seed: int) -> None:
    # Of longer programs, some have more states than can be gone through.
    stronger, weaker = Machine(PROFILES[name], seed, 12).model, Machine(PROFILES["posix-min"], seed, 12).model
    for tree in some_trees(stronger, Random(seed)):
        assert allows(weaker, tree)


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "posix-min"])
@SOME
@given(seed=SEEDS, length=st.integers(1, 10))
def test_what_a_stronger_profile_allows_of_names_that_are_reused_posix_allows(
    name: str, seed: int, length: int
) -> None:
    actions = [action for action in reusing(Random(seed), length, PROFILES[name]) if not action.of_the_kernel]

    def program(root: Path) -> None:
        for action in actions:
            perform(action, root)

    stronger, weaker = (crashed(persistence, program, reused_names) for persistence in (name, "posix-min"))
    for tree in some_trees(stronger, Random(seed)):
        assert allows(weaker, tree)


def some_trees(model: DurableModel, random: Random) -> list[Tree]:
    """Some of what a power loss can leave, drawn from all of it."""
    ordering = model.ordering()
    pending = members(ordering.pending)
    found = [tree_of(model.state(ordering.certain))]
    for share in (0.1, 0.2, 0.5, 0.8) * 4:
        lost = sum(1 << index for index in pending if random.random() < share)
        found.append(tree_of(model.state(ordering.all & ~ordering.dependent(lost))))
    return found


@EACH
@SOME
@given(seed=SEEDS)
def test_each_set_is_listed_once_and_holds_what_it_needs(persistence: Persistence, seed: int) -> None:
    ordering = Machine(persistence, seed, 15).model.ordering()
    found = some_sets(ordering)
    assert len(set(found)) == len(found)
    for kept in found:
        assert ordering.closed(kept | ordering.certain) == kept
        lost = ordering.all & ~kept
        few = generators(ordering, lost)
        assert ordering.dependent(few) == lost
        assert all(ordering.dependent(few & ~(1 << index)) != lost for index in members(few))
    if len(found) < FEW and ordering.all.bit_length() <= 12:
        assert set(found) == {kept for kept in range(1 << 12) if valid(ordering, kept)}


def valid(ordering: Ordering, kept: int) -> bool:
    return not kept & ~ordering.all and not ordering.certain & ~kept and ordering.closed(kept) == kept


@EACH
@SOME
@given(seed=SEEDS)
def test_the_order_of_a_class_with_one_order_is_that_of_its_run(persistence: Persistence, seed: int) -> None:
    model = Machine(persistence, seed, 60).model
    known, other = model.ordering(), model.ordering(lambda first, second: True)
    assert (other.needs, other.certain, other.all) == (known.needs, known.certain, known.all)


@EACH
@SOME
@given(seed=SEEDS)
def test_a_class_allows_what_each_of_its_runs_allows(persistence: Persistence, seed: int) -> None:
    """Here a class is all that the ranks could have done in between each other: only a rank's own order is fixed."""
    model = Machine(persistence, seed, 40).model
    whole = model.ordering(lambda first, second: first.rank == second.rank)
    for kept in some_sets(model.ordering()):
        assert whole.closed(kept) == kept
        assert not whole.certain & ~kept


@EACH
@SOME
@given(seed=SEEDS)
def test_going_back_to_a_mark_restores_the_log(persistence: Persistence, seed: int) -> None:
    machine = Machine(persistence, seed, 30)
    model = machine.model
    ordering = model.ordering()
    before = (model.digest(), list(model.records), list(ordering.needs), ordering.certain)
    mark = model.mark()
    machine.go_on(30)
    model.ordering()
    model.rollback(mark)
    again = model.ordering()
    assert (model.digest(), model.records, again.needs, again.certain) == before
    machine.go_on(20)
    assert model.state(model.ordering().all).digest() == model.digest()


def looking(model: DurableModel, seed: int) -> Any:
    """Code that looks at some of a state: which part depends on what it finds."""
    affected = Affected(model.ordering())

    def look(kept: int) -> tuple[Any, int]:
        disk = model.state(kept)
        disk.accesses = accesses = list[Access]()
        found = look_around(disk, Random(seed))
        return found, affected.by(thing for thing, _ in accesses)

    return look


def look_around(disk: PosixModel, random: Random) -> Any:
    path = ""
    seen: list[Any] = []
    for _ in range(4):
        try:
            if random.random() < 0.6:
                names = [name for name, _, _ in disk.perform(0, Readdir(path))]
                seen.append(names)
                path = f"{path}/{random.choice(names)}".lstrip("/") if names else "a"
            else:
                fd = disk.perform(0, Open(random.choice((path, "a", "a/b")), os.O_RDONLY))
                seen.append(disk.perform(0, Read(fd, -1)))
        except OSError as error:
            seen.append(error.errno)
    return repr(seen)


@EACH
@SOME
@given(seed=SEEDS)
def test_those_states_that_tell_show_all_that_any_state_shows(persistence: Persistence, seed: int) -> None:
    model = Machine(persistence, seed, 12).model
    model.release_all()
    ordering = model.ordering()
    everything = some_sets(ordering)
    if len(everything) == FEW:
        return
    look = looking(model, seed)
    telling = Telling(ordering, look)
    found = list(telling)
    assert telling.is_complete
    assert {seen for _, seen in found} == {look(kept)[0] for kept in everything}
    assert len(found) <= len(everything)
    bounded = Telling(ordering, look, bound=1)
    assert len(list(bounded)) == 1
    assert bounded.is_complete == (len(found) == 1)


@EACH
@SOME
@given(seed=SEEDS, choice=st.randoms(use_true_random=False))
def test_losing_power_leaves_one_of_the_states_and_ends_all_processes(
    persistence: Persistence, seed: int, choice: Random
) -> None:
    machine = Machine(persistence, seed, 30)
    model = machine.model
    ordering = model.ordering()
    wanted = [change for change in model.changes(ordering.all) if choice.random() < 0.2]
    lost = model.pending(wanted)
    assert model.changes(lost) == [change for change in wanted if change in model.changes(ordering.pending)]
    expected = model.state(ordering.all & ~ordering.dependent(lost)).digest()
    model.lose_power(lost)
    assert (model.digest(), model.records, model.outages) == (expected, [], 1)
    assert all(not model.tree.tables.get(rank) for rank in range(RANKS))
    machine.go_on(20)
    assert model.state(model.ordering().all).digest() == model.digest()
