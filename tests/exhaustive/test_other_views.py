"""Exhaustive search on file systems other than NFS whose nodes do not all see the same, against brute force."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from simulator.filesystems.profiles import by_profile
from simulator.operations import Close, Mkdir, Open, Write
from tests.exhaustive.brute_force import TooLong
from tests.exhaustive.programs import program_of
from tests.exhaustive.test_stale_answers import Case, hold_equal, looking_program

PROFILES: dict[str, dict[str, Any]] = {
    "meta-stale": {"stale": 1},
    "beegfs": {"stale": 1},
    "lustre": {"locks": "localflock"},
    "cross-device": {"devices": "a"},
    "per-node": {},
}


class OnProfile(Case):
    """Programs on nodes of their own, on a file system of any profile."""

    def __init__(self, profile: str, programs: Sequence[Callable[..., Any]]) -> None:
        super().__init__(programs)
        self.profile = profile

    def filled(self) -> Any:
        """The tree on which every program starts, on each disk that there is."""
        views = by_profile(self.profile, PROFILES[self.profile], nodes=len(self.programs))
        for judge in range(-1, -1 - (len(self.programs) if self.profile == "per-node" else 1), -1):
            if self.profile != "cross-device":
                views.perform(judge, Mkdir("a"), 1)
            for now, name in enumerate(("a/f", "h"), 3):
                number = views.perform(judge, Open(name, os.O_CREAT | os.O_WRONLY), now)
                views.perform(judge, Write(number, name.encode()), now)
                views.perform(judge, Close(number), now)
        return views


def hold_equal_on_random_programs(profile: str, seed: int, count: int, ranks: int, runs: int) -> None:
    """On so many programs, in which something may be stale where the profile has stale answers at all."""
    done = number = 0
    while done < count:
        number += 1
        actions = looking_program(Random(f"{profile}/{seed}/{number}"), ranks)
        try:
            answered = hold_equal(OnProfile(profile, [program_of(each) for each in actions]), runs)
        except TooLong:
            continue
        except AssertionError as error:
            raise AssertionError(f"not as brute force says: {profile}/{seed}/{number} {actions}") from error
        done += answered > 0 or "stale" not in PROFILES[profile]


@pytest.mark.parametrize("profile", PROFILES)
def test_random_programs_have_what_brute_force_says(profile: str) -> None:
    hold_equal_on_random_programs(profile, 0, 4, ranks=2, runs=100)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
@pytest.mark.parametrize("profile", PROFILES)
def test_hundreds_of_random_programs_have_what_brute_force_says(profile: str, seed: int) -> None:
    for ranks in (2, 3):
        hold_equal_on_random_programs(profile, seed, 15, ranks, runs=300)
