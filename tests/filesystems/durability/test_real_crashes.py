"""The crash model beside crashes of real file systems: whatever is left on the disk, the profile allows.

A file system in an image is mounted, a program runs on it, and the image is cloned: at once, when the timer of ext4 has
come, and when the other timers have. Programs crash side by side, since waiting for timers is all that takes time.
"""

from __future__ import annotations

import os
from random import Random

import pytest

from simulator.filesystems.durability import persistence_named
from tests.filesystems.durability.cutting import Case, cuts, not_allowed
from tests.filesystems.durability.mounting import KINDS, crashes, reason_not_to
from tests.filesystems.durability.recipes import SAFE, TABLE, Good
from tests.filesystems.durability.running import Tree, allows, crashed, tree_of
from tests.filesystems.durability.writing import drawn, reused_names, reusing, two_directories

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("filesystem", KINDS)]

AT_ONCE, AFTER_THE_TIMER_OF_EXT4, AFTER_ALL_TIMERS = 0.0, 8.0, 45.0


@pytest.fixture(autouse=True)
def _can_be_mounted(filesystem: str) -> None:
    reason = reason_not_to(KINDS[filesystem])
    if reason is not None:
        pytest.skip(reason)


def test_what_a_crash_leaves_of_each_program_of_the_table_is_allowed(filesystem: str) -> None:
    moments = (AT_ONCE, AFTER_THE_TIMER_OF_EXT4, AFTER_ALL_TIMERS)
    left = crashes(KINDS[filesystem], [(row.before, row.program) for row in TABLE], moments)
    lost = 0
    for row, trees in zip(TABLE, left, strict=True):
        kind = KINDS[filesystem]
        model = crashed(kind.name, row.program, row.before, block_bytes=kind.block)
        lost += trees[0] != tree_of(model)  # type: ignore[arg-type]
        for moment, tree in zip(moments, trees, strict=True):
            assert allows(model, tree), (row.name, moment, summary(tree))
    assert lost > 5, "nothing was lost: these were no crashes"


def test_what_a_crash_leaves_of_a_safe_recipe_is_good(filesystem: str) -> None:
    left = crashes(KINDS[filesystem], [(before, program) for before, program, _ in SAFE], [AT_ONCE])
    good: Good
    for (_, program, good), trees in zip(SAFE, left, strict=True):
        assert all(good(tree) for tree in trees), program.__name__


@pytest.mark.parametrize("batch", range(2))
def test_what_a_crash_leaves_of_random_programs_is_allowed(filesystem: str, batch: int) -> None:
    moments = (AT_ONCE, AFTER_THE_TIMER_OF_EXT4)
    programs = [drawn(Random(f"{batch}/{number}"), 2 + number % 9) for number in range(20)]
    left = crashes(KINDS[filesystem], [(two_directories, program) for program in programs], moments)
    for number, (program, trees) in enumerate(zip(programs, left, strict=True)):
        kind = KINDS[filesystem]
        model = crashed(kind.name, program, two_directories, block_bytes=kind.block)
        for moment, tree in zip(moments, trees, strict=True):
            assert allows(model, tree), (batch, number, moment, summary(tree))


PROGRAMS = int(os.environ.get("CRASH_PROGRAMS", "50"))
"""How many programs are cut off on each file system: ``make test-crashes PROGRAMS=1000``."""


def test_what_a_cut_at_a_logged_write_leaves_of_programs_that_reuse_names_is_allowed(filesystem: str) -> None:
    kind, counted, lost, undecided = KINDS[filesystem], 0, 0, 0
    profile = persistence_named(kind.name, {"block_bytes": kind.block})
    outside = []
    for first in range(0, PROGRAMS, 50):
        last = min(first + 50, PROGRAMS)
        cases = [
            Case(f"reuse/{number}", reused_names, reusing(Random(f"reuse/{number}"), 2 + number % 9, profile))
            for number in range(first, last)
        ]
        for case, found in cuts(kind, cases, 8, Random(f"cuts/{filesystem}/{first}")):
            counted += len(found)
            lost += len({repr(cut.tree) for cut in found}) > 1
            wrong, unknown = not_allowed(profile, case, found)
            undecided += len(unknown)
            names = [action.name for action in case.actions]
            for cut in wrong:
                outside.append((case.name, names, cut.action, cut.lossy, summary(cut.tree)))
                print(filesystem, *outside[-1])
        print(
            f"{filesystem}: {last} programs, {counted} cuts, {len(outside)} outside, {undecided} undecided; "
            f"{lost} programs with several outcomes",
            flush=True,
        )
    assert not outside, "\n".join(map(repr, outside))
    assert undecided * 100 <= counted, "too many were not decided"
    assert lost > PROGRAMS // 4, "nothing was lost: these were no crashes"


def summary(tree: Tree) -> dict[str, str]:
    """The tree for a message: sizes and letters instead of contents."""
    return {
        path: "directory" if data is None else f"{len(data)} of {''.join(sorted({chr(byte) for byte in data}))!r}"
        for path, data in tree.items()
    }
