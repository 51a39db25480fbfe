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
            name, other = random.choice("ab"), random.choice("ac")
            actions.append(random.choice((
                lambda r, n=name: make(r, n), lambda r, n=name: put(r, n), lambda r, n=name, o=other: rename(r, n, o),
                lambda r: sync(r, ""), lambda r, n=name: sync(r, n),
            )))  # fmt: skip
        programs.append(attempting(actions))
    return programs


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


def by_search(programs: list[Any], persistence: str) -> set[Disk]:
    """All disks that the search asks a user's invariant about."""
    found: set[Disk] = {frozenset()}

    def look(world: Any) -> None:
        found.add(frozenset(entries(world.root, "")))

    result = simulator.certify(
        programs, invariants=["no-error", look], persistence=persistence, faults=Faults(power_losses=1)
    )
    assert result.verdict == "certified"
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
