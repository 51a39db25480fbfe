"""Plain programs with a ``pick``: what a whole checkpoint is, is learned, and then everything else is told from it."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.campaigns.result import Result
from simulator.errors import CannotDo, UsageError
from simulator.rank import Rank


def newest(root: Path) -> Path | None:
    found = [name for name in os.listdir(root) if name.startswith("checkpoint-")]
    return root / max(found, key=lambda name: int(name.split("-")[1])) if found else None


def explored(program: Callable[[Rank], object], pick: Callable[[Path], Path | None] = newest, **more: Any) -> Result:
    return simulator.explore(program, nodes=2, pick=pick, schedules=400, **more)


def found(result: Result) -> tuple[str, str]:
    assert result.failure is not None
    return result.failure.invariant, result.failure.error


def test_empty_files_that_are_published_and_filled_later_are_torn() -> None:
    def program(rank: Rank) -> None:
        for step in (1, 2):
            final = rank.root / f"checkpoint-{step}"
            if rank.index == 0:
                staging = rank.root / f"tmp-{step}"
                staging.mkdir()
                for name in ("s0", "s1"):
                    (staging / name).touch()
                os.rename(staging, final)
            rank.barrier()
            (final / f"s{rank.index}").write_text(f"step {step}")
            rank.barrier()
            rank.saved(step)
            rank.barrier()

    assert found(explored(program))[0] == "content"


def test_a_checkpoint_that_is_overwritten_in_place_is_mixed() -> None:
    def program(rank: Rank) -> None:
        staging, final = rank.root / "tmp", rank.root / "checkpoint-0"
        staging.mkdir(exist_ok=True)
        (staging / f"s{rank.index}").write_bytes(b"step 1")
        rank.barrier()
        if rank.index == 0:
            os.rename(staging, final)
        rank.barrier()
        rank.saved(1)
        rank.barrier()
        with open(final / f"s{rank.index}", "r+b") as file:
            file.write(b"step 2")
        rank.barrier()
        rank.saved(2)

    invariant, message = found(explored(program))
    assert (invariant, "of another save" in message) == ("content", True)


def test_a_pick_that_names_what_does_not_exist_is_no_whole_checkpoint() -> None:
    def program(rank: Rank) -> None:
        if rank.index == 0:
            (rank.root / "checkpoint-1").mkdir()
            (rank.root / "latest").write_text("checkpoint-10")
        else:
            (rank.root / "other").touch()
        rank.barrier()
        rank.saved(1)

    def pick(root: Path) -> Path | None:
        pointer = root / "latest"
        return root / pointer.read_text() if pointer.exists() and pointer.read_text() else None

    assert found(explored(program, pick)) == ("complete", "a restart picks checkpoint-10, which does not exist")


def test_without_saved_what_is_there_at_the_end_is_taken_as_whole() -> None:
    def program(rank: Rank) -> None:
        home = rank.root / "checkpoint-1"
        home.mkdir(exist_ok=True)
        (home / f"s{rank.index}").write_text("x")
        rank.barrier()

    assert found(explored(program))[0] == "complete"


def test_a_pick_that_never_finds_anything_tests_nothing() -> None:
    def program(rank: Rank) -> None:
        (rank.root / f"{rank.index}").touch()

    with pytest.raises(CannotDo, match="pick gave nothing in the undisturbed run"):
        explored(program)


@pytest.mark.parametrize(
    ("pick", "said"),
    [
        (lambda root: 1 // 0, "pick fails in the undisturbed run: ZeroDivisionError: "),
        (lambda root: 3, "pick fails in the undisturbed run: TypeError: pick must give a path or None, gave 3"),
        (lambda root: "checkpoint-7", "pick gave checkpoint-7 in the undisturbed run, which does not exist"),
    ],
)
def test_a_pick_that_fails_without_any_disturbance_is_told_so(pick: Callable[[Path], Path | None], said: str) -> None:
    def program(rank: Rank) -> None:
        (rank.root / f"{rank.index}").touch()

    with pytest.raises(CannotDo, match=said):
        explored(program, pick)


def test_a_pick_that_takes_no_root_is_refused() -> None:
    with pytest.raises(UsageError, match="pick: it is called with the root, a path, as its only argument: too many"):
        explored(lambda rank: None, lambda: None)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("name", "directory"),
    [
        ("ckpt-1.pt", False),
        ("ckpt-1.pt", True),
        ("epoch=1-step=1.ckpt", False),
        ("epoch=1-step=1.ckpt", True),
        ("last", False),
    ],
)
def test_a_correct_save_may_be_called_whatever_it_likes(name: str, directory: bool) -> None:
    def program(rank: Rank) -> None:
        for step in (1, 2):
            staging = rank.root / f"tmp-{step}"
            if directory:
                staging.mkdir(exist_ok=True)
                (staging / f"s{rank.index}").write_text(f"{step}")
            elif rank.index == 0:
                staging.write_text(f"{step}")
            (rank.root / f"log-{rank.index}").touch()
            rank.barrier()
            if rank.index == 0:
                os.replace(staging, rank.root / name.replace("1", str(step)) if name != "last" else rank.root / "last")
            rank.barrier()
            rank.saved(step)

    def pick(root: Path) -> Path | None:
        for step in (2, 1):
            path = root / name.replace("1", str(step))
            if path.exists():
                return path
        return None

    assert explored(program, pick).verdict == "clean"


def test_what_depends_on_the_attempt_or_on_the_schedule_is_no_torn_content() -> None:
    def program(rank: Rank) -> None:
        staging = rank.root / "tmp"
        staging.mkdir(exist_ok=True)
        seen = len(os.listdir(rank.root))
        (staging / f"s{rank.index}").write_text(f"{uuid.uuid4()} {time.time()} {seen} {os.listdir(staging)}")
        rank.barrier()
        if rank.index == 0 and not (rank.root / "checkpoint-1").exists():
            os.rename(staging, rank.root / "checkpoint-1")
        rank.barrier()
        rank.saved(1)

    result = explored(program, faults=simulator.Faults(kills=1), restarts=1)
    assert (result.verdict, result.failure) == ("clean", None)
