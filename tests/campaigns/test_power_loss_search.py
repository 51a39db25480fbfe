"""Exhaustive search judges just those disks that some interleaving leaves after a power loss: against brute force."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

import simulator
from simulator import Faults, Rank
from simulator.boundary import installed
from simulator.engines.conditions import Conditions
from simulator.engines.greenlets import greenlet_engine
from simulator.engines.programs import RankPrograms
from simulator.errors import CannotDo
from simulator.experiment import ROOT
from simulator.filesystems.durability import PROFILES, DurableModel, downward_closed
from tests.exhaustive.brute_force import TooLong, all_interleavings, starter
from tests.filesystems.durability.running import tree_of

Disk = frozenset[tuple[str, bytes | None]]


def make(rank: Rank, name: str) -> None:
    os.mkdir(rank.root / name)


def put(rank: Rank, name: str) -> None:
    fd = os.open(rank.root / name, os.O_CREAT | os.O_WRONLY)
    os.write(fd, name.encode())
    os.close(fd)


def rename(rank: Rank, name: str, other: str) -> None:
    os.rename(rank.root / name, rank.root / other)


def sync(rank: Rank, name: str) -> None:
    fd = os.open(rank.root / name, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def drawn(random: Random) -> list[Callable[[Rank], None]]:
    """Two programs that meet each other."""
    programs = []
    for _ in range(2):
        actions: list[Callable[[Rank], None]] = []
        for _ in range(2):
            actions.append(drawn_action(random))
        programs.append(attempting(actions))
    return programs


def drawn_action(random: Random) -> Callable[[Rank], None]:
    name, other = random.choice("ab"), random.choice("ac")
    actions: tuple[Callable[[Rank], None], ...] = (
        lambda r: make(r, name), lambda r: put(r, name), lambda r: rename(r, name, other),
        lambda r: sync(r, ""), lambda r: sync(r, name),
    )  # fmt: skip
    return random.choice(actions)


def attempting(actions: list[Callable[[Rank], None]]) -> Callable[[Rank], None]:
    def program(rank: Rank) -> None:
        for action in actions:
            with suppress(OSError):
                action(rank)

    return program


def by_brute_force(programs: list[Any], persistence: str) -> set[Disk]:
    """All disks that are left at any instant of any interleaving."""
    found: set[Disk] = {frozenset()}
    known: set[Any] = set()

    class Watched(DurableModel):
        def perform(self, rank: int, operation: Any, now: int = 0) -> Any:
            try:
                return super().perform(rank, operation, now)
            finally:
                key = tuple((record.rank, record.what) for record in self.records)
                if key not in known:
                    known.add(key)
                    found.update(
                        frozenset(tree_of(self.state(kept)).items()) for kept in downward_closed(self.ordering())
                    )

    with installed():
        all_interleavings(starter(programs, lambda: Watched(PROFILES[persistence]), ROOT), 40, 4000)
    return found


def by_search(programs: list[Any], persistence: str, **options: Any) -> set[Disk]:
    """All disks that the search asks a user's invariant about."""
    found: set[Disk] = {frozenset()}

    def look(world: Any) -> None:
        found.add(frozenset(entries(world.root, "")))

    options = {"faults": Faults(power_losses=1), **options}
    result = simulator.certify(programs, invariants=["no-error", look], persistence=persistence, **options)
    assert result.verdict == "certified"
    return found


def disks_of_two_attempts(programs: list[Any], persistence: str, runs: int = 3000) -> set[Disk]:
    """All disks that are left at any instant of two attempts, the first of which a death, a power loss or nothing ends.

    Whatever was not lost in the first one may still be in the second. The power fails once.
    """
    found: set[Disk] = {frozenset()}
    left = [runs]

    def model_after(schedule: list[int], lost: int | None) -> tuple[DurableModel, list[int]]:
        """The file system after these steps of the first attempt, and who could go on there."""
        left[0] -= 1
        if not left[0]:
            raise TooLong
        model = DurableModel(PROFILES[persistence])
        engine = greenlet_engine(model, RankPrograms(tuple(programs), len(programs), ROOT))
        engine.start()
        for task in schedule:
            engine.grant(task)
        ready = sorted(engine.ready)
        engine.close()
        model.release_all()
        if lost is not None:
            model.lose_power(lost)
        return model, ready

    def second(schedule: list[int], lost: int | None) -> None:
        def look(model: DurableModel) -> None:
            found.add(frozenset(tree_of(model).items()))  # type: ignore[arg-type]
            if lost is None:
                kept = downward_closed(model.ordering())
                found.update(frozenset(tree_of(model.state(each)).items()) for each in kept)

        class Looking:
            def __init__(self, model: DurableModel) -> None:
                self.model = model
                look(model)

            def __getattr__(self, name: str) -> Any:
                return getattr(self.model, name)

            def perform(self, rank: int, operation: Any, now: int = 0) -> Any:
                try:
                    return self.model.perform(rank, operation, now)
                finally:
                    look(self.model)

        def begin() -> tuple[Any, Any]:
            filesystem = Looking(model_after(schedule, lost)[0])
            ranks = RankPrograms(tuple(programs), len(programs), ROOT)
            return greenlet_engine(filesystem, ranks, Conditions(1)), filesystem

        all_interleavings(begin, 60, runs)

    waiting: list[list[int]] = [[]]
    while waiting:
        schedule = waiting.pop()
        model, ready = model_after(schedule, None)
        waiting += [[*schedule, task] for task in ready]
        ordering = model.ordering()
        second(schedule, None)
        digests = set()
        for kept in downward_closed(ordering):
            digest = model.state(kept).digest()
            if digest not in digests:
                digests.add(digest)
                second(schedule, ordering.all & ~kept)
    return found


def entries(root: Path, below: str) -> list[tuple[str, bytes | None]]:
    found: list[tuple[str, bytes | None]] = []
    for entry in os.scandir(root / below):
        path = f"{below}/{entry.name}".lstrip("/")
        if entry.is_dir():
            found += [(path, None), *entries(root, path)]
        else:
            found.append((path, (root / path).read_bytes()))
    return found


def compare(seed: int, persistence: str) -> None:
    programs = drawn(Random(seed))
    try:
        expected = by_brute_force(programs, persistence)
        found = by_search(programs, persistence)
    except (TooLong, CannotDo):
        return
    assert found == expected


@pytest.mark.parametrize("persistence", PROFILES)
@pytest.mark.parametrize("seed", range(4))
def test_search_and_brute_force_find_the_same_disks(persistence: str, seed: int) -> None:
    compare(seed, persistence)


@pytest.mark.slow
@pytest.mark.parametrize("persistence", PROFILES)
@pytest.mark.parametrize("seed", range(4, 64))
def test_search_and_brute_force_find_the_same_disks_for_many_programs(persistence: str, seed: int) -> None:
    compare(seed, persistence)


def compare_two_attempts(programs: list[Any], persistence: str) -> None:
    """Here a restart looks at everything, so one disk for each difference that it sees is every disk."""
    try:
        with installed():
            expected = disks_of_two_attempts(programs, persistence)
    except TooLong:
        return
    faults = Faults(kills=1, power_losses=1)
    assert by_search(programs, persistence, faults=faults, restarts=1) == expected


@pytest.mark.parametrize("persistence", ["posix-min", "ext4"])
@pytest.mark.parametrize("seed", range(2))
def test_search_and_brute_force_find_the_same_disks_of_two_attempts(persistence: str, seed: int) -> None:
    compare_two_attempts(drawn(Random(seed))[:1], persistence)


@pytest.mark.slow
@pytest.mark.parametrize("persistence", PROFILES)
@pytest.mark.parametrize("seed", range(2, 32))
def test_search_and_brute_force_find_the_same_disks_of_two_attempts_of_many_programs(
    persistence: str, seed: int
) -> None:
    random = Random(seed)
    compare_two_attempts(drawn(random)[:1], persistence)
    compare_two_attempts([attempting([drawn_action(random)]) for _ in range(2)], persistence)
