"""Rolling back to a mark restores everything; forgetting it keeps everything."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given, strategies as st

from simulator.filesystems import PosixModel
from simulator.operations import Mkdir, Open, Operation, Write
from tests.filesystems.generation import RANKS, Writer
from tests.filesystems.outcomes import outcome
from tests.filesystems.states import state_of, times_of


def whole(model: PosixModel) -> Any:
    return state_of(model), times_of(model), model.digest(), model.mtime_order()


def steps(writer: Writer, length: int) -> Iterator[tuple[int, Operation]]:
    """A program whose author does not learn what its operations gave, for it will be undone."""
    for _ in range(length):
        rank = writer.random.randrange(RANKS)
        yield rank, writer.operation(rank)


def grown(random: Random, length: int) -> tuple[PosixModel, Writer]:
    model, writer = PosixModel(), Writer(random, crowded=True)
    for now in range(1, length + 1):
        rank = random.randrange(RANKS)
        operation = writer.operation(rank)
        writer.note(rank, operation, outcome(model, rank, operation, now))
    return model, writer


@pytest.mark.parametrize("seed", range(6))
def test_rollback_restores_the_state_at_every_nested_mark(seed: int) -> None:
    random = Random(seed)
    for _ in range(15):
        model, writer = grown(random, 80)
        marks = []
        for depth in range(5):
            marks.append((whole(model), model.mark()))
            for now, (rank, operation) in enumerate(steps(writer, 15)):
                outcome(model, rank, operation, 1000 * depth + now)
                if random.random() < 0.1:
                    model.digest()
            if random.random() < 0.3:
                model.release(random.randrange(RANKS))
        while marks:
            position = random.randrange(len(marks))
            expected, mark = marks[position]
            del marks[position:]
            model.rollback(mark)
            assert whole(model) == expected


@given(st.randoms(use_true_random=False), st.integers(0, 20), st.integers(1, 10))
def test_rollback_restores_the_state(random: Random, before: int, after: int) -> None:
    model, writer = grown(random, before)
    expected = whole(model)
    mark = model.mark()
    for now, (rank, operation) in enumerate(steps(writer, after)):
        outcome(model, rank, operation, 1000 + now)
    model.rollback(mark)
    assert whole(model) == expected


@pytest.mark.parametrize("seed", range(3))
def test_a_model_goes_on_after_a_rollback_as_if_nothing_had_been(seed: int) -> None:
    random = Random(seed)
    model, writer = grown(random, 60)
    undisturbed, _ = grown(Random(seed), 60)
    mark = model.mark()
    for now, (rank, operation) in enumerate(steps(writer, 40)):
        outcome(model, rank, operation, 1000 + now)
    model.digest()
    model.rollback(mark)
    for now, (rank, operation) in enumerate(steps(writer, 200)):
        assert outcome(model, rank, operation, 2000 + now) == outcome(undisturbed, rank, operation, 2000 + now)
    assert whole(model) == whole(undisturbed)


def test_forgetting_a_mark_keeps_the_changes_and_outer_marks_still_undo_them() -> None:
    model = PosixModel()
    empty = whole(model)
    outer = model.mark()
    model.perform(0, Mkdir("a"), 1)
    inner = model.mark()
    model.perform(0, Mkdir("b"), 2)
    model.forget(inner)
    assert [path for path, _ in model.walk_files()] == ["a", "b"]
    model.rollback(outer)
    assert whole(model) == empty


def test_nothing_is_logged_while_no_mark_is_set() -> None:
    model = PosixModel()
    model.perform(0, Mkdir("a"), 1)
    assert model._tree.log is None
    model.rollback(model.mark())
    assert model._tree.log is None


def test_release_all_can_be_undone_as_the_end_of_a_job_is_only_tried() -> None:
    model = PosixModel()
    descriptor = model.perform(3, Open("f", 0o102), 1)
    mark = model.mark()
    model.release_all()
    model.rollback(mark)
    assert model.perform(3, Write(descriptor, b"still open"), 2) == 10
