"""What is correct is never accused: one rank alone, everything behind barriers, protocols that hold."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given, settings, strategies as st

import simulator
from simulator.rank import Rank

NAMES = st.sampled_from(["a", "b", "a/x", "b/x"])
ACTIONS = st.lists(st.tuples(st.sampled_from(["mkdir", "write", "rename", "remove", "list"]), NAMES, NAMES), max_size=6)


def act(root: Path, action: str, first: str, second: str) -> None:
    """One call that may fail; what a correct program does when it may fail is to expect it."""
    try:
        if action == "mkdir":
            os.makedirs(root / first, exist_ok=True)
        elif action == "write":
            (root / first).write_bytes(second.encode())
        elif action == "rename":
            os.rename(root / first, root / second)
        elif action == "remove":
            os.unlink(root / first)
        else:
            os.listdir(root)
    except OSError:
        pass


@settings(max_examples=40)
@given(ACTIONS)
def test_whatever_ranks_do_behind_barriers_is_no_finding(actions: list[tuple[str, str, str]]) -> None:
    def program(rank: Rank) -> None:
        for turn, action in enumerate(actions):
            rank.barrier()
            if rank.index == turn % rank.world_size:
                act(rank.root, *action)
        rank.barrier()
        (rank.root / f"end-{rank.index}").write_bytes(b"")

    assert simulator.explore(program, nodes=2, ranks_per_node=2, schedules=15).verdict == "clean"


@settings(max_examples=40)
@given(st.lists(ACTIONS, min_size=3, max_size=3))
def test_ranks_with_directories_of_their_own_never_meet(programs: list[list[tuple[str, str, str]]]) -> None:
    def program(rank: Rank) -> list[str]:
        home = rank.root / f"rank-{rank.index}"
        home.mkdir()
        for action in programs[rank.index]:
            act(home, *action)
        return sorted(os.listdir(home))

    def as_alone(world) -> str | None:  # type: ignore[no-untyped-def]
        for index, names in world.returned.items():
            if names != alone[index]:
                return f"rank {index} sees {names}, alone it saw {alone[index]}"
        return None

    def one(index: int) -> list[str]:
        def body(rank: Rank) -> list[str]:
            home = rank.root / "home"
            home.mkdir()
            for action in programs[index]:
                act(home, *action)
            return sorted(os.listdir(home))

        return simulator.run_as_rank(body)  # type: ignore[no-any-return]

    alone = [one(index) for index in range(3)]
    result = simulator.explore(program, nodes=3, schedules=20, invariants=[simulator.at_end(as_alone)])
    assert result.verdict == "clean"
