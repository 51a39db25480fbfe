"""Who waits for whom in a collective, and what each rank gets."""

from __future__ import annotations

import os
from typing import Any

import pytest

from simulator.engines.conditions import Conditions
from simulator.filesystems import PosixModel
from simulator.rank import Rank
from simulator.tape import Tape
from tests.engines.jobs import endings, engine_factory, events, every_engine, returned, run


@every_engine
def test_every_rank_gets_what_each_collective_combines(engine: str) -> None:
    def program(rank: Rank) -> list[Any]:
        n = rank.index + 1
        return [
            rank.all_gather(n), rank.all_reduce_sum(n), rank.all_reduce_max(n), rank.all_reduce_min(n),
            rank.broadcast(n * 10, source=2), rank.barrier(), rank.gather(n, destination=1),
        ]  # fmt: skip

    everybody = [[1, 2, 3], 6, 3, 1, 30, None]
    assert returned(run(engine, [program] * 3)) == [[*everybody, None], [*everybody, [1, 2, 3]], [*everybody, None]]


@every_engine
def test_the_source_of_a_broadcast_does_not_wait_and_the_others_wait_for_it_alone(engine: str) -> None:
    def source(rank: Rank) -> None:
        rank.broadcast("go")
        os.mkdir(rank.root / "after-broadcast")

    def receiver(rank: Rank) -> Any:
        if rank.index == 2:
            os.mkdir(rank.root / "late")
        return rank.broadcast(None), sorted(os.listdir(rank.root))

    # Undisturbed, rank 0 runs to its end before rank 2 has even begun.
    assert returned(run(engine, [source, receiver, receiver])) == [
        None, ("go", ["after-broadcast"]), ("go", ["after-broadcast", "late"]),
    ]  # fmt: skip


@every_engine
def test_the_destination_of_a_gather_waits_for_all_and_nobody_else_waits(engine: str) -> None:
    def program(rank: Rank) -> Any:
        if rank.index == 2:
            os.mkdir(rank.root / "late")
        return rank.gather(rank.index, destination=0), sorted(os.listdir(rank.root))

    # Undisturbed, rank 1 runs to its end before rank 2, which comes last, has done anything.
    assert returned(run(engine, [program] * 3)) == [([0, 1, 2], ["late"]), (None, []), (None, ["late"])]


@every_engine
def test_a_rank_that_never_comes_to_a_gather_keeps_its_destination_alone(engine: str) -> None:
    def program(rank: Rank) -> None:
        if rank.index != 1:
            rank.gather(rank.index)
            rank.gather(rank.index, destination=2)

    with engine_factory(engine, [program] * 3) as factory:
        job = factory(PosixModel(), Conditions(0))
        try:
            job.start()
            assert job.waiting() == {0: "gather", 2: "gather"}
        finally:
            job.close()


@every_engine
def test_gathering_to_different_ranks_is_a_mismatch(engine: str) -> None:
    def program(rank: Rank) -> None:
        rank.gather(0, destination=rank.index)

    with engine_factory(engine, [program] * 2) as factory:
        job = factory(PosixModel(), Conditions(0))
        try:
            job.start()
            mismatch = job.mismatch
        finally:
            job.close()
    assert mismatch is not None
    assert (mismatch.issued, mismatch.expected) == ("gather to rank 1", "gather to rank 0")


@every_engine
def test_the_one_rank_of_a_collective_is_of_its_group(engine: str) -> None:
    def program(rank: Rank) -> None:
        group = rank.new_group([0, 1])
        rank.gather(0, destination=2, group=group)

    error = endings(run(engine, [program] * 3))[0].error
    assert isinstance(error, ValueError)
    assert str(error) == "gather: the destination 2 is not in the group [0, 1]"


@every_engine
def test_a_gather_takes_its_destination_alone_to_the_time_of_the_last(engine: str) -> None:
    def program(rank: Rank) -> None:
        rank.process.elapse(10.0 * rank.index)
        rank.gather(0, destination=0)

    times = run(engine, [program] * 3).attempts[0].times
    assert times[0] == times[2] == times[1] + 10_000_000_000


@every_engine
def test_a_barrier_lets_nobody_go_before_the_last_has_come(engine: str) -> None:
    def program(rank: Rank) -> list[str]:
        (rank.root / f"arrived-{rank.index}").touch()
        rank.barrier()
        return sorted(os.listdir(rank.root))

    assert returned(run(engine, [program] * 3)) == [["arrived-0", "arrived-1", "arrived-2"]] * 3


@every_engine
def test_values_are_copies_made_at_the_call(engine: str) -> None:
    def waits(rank: Rank) -> Any:
        mine = ["early"]
        # Runs while this rank waits in the gathering: too late to be seen by the other.
        rank.background(lambda: (rank.root.stat(), mine.append("late")))
        everybody = rank.all_gather(mine)
        everybody[1].append("not yours")
        rank.barrier()
        return mine, everybody[0]

    def comes_last(rank: Rank) -> Any:
        for _ in range(3):
            rank.root.stat()
        mine: list[str] = []
        everybody = rank.all_gather(mine)
        rank.barrier()
        return mine, everybody

    background_first = Tape({(0, "schedule", -1, 0): 3})
    first, second = returned(run(engine, [waits, comes_last], background_first))
    assert first == (["early", "late"], ["early"])
    assert second == ([], [["early"], []])


@every_engine
def test_groups_of_the_same_ranks_are_apart(engine: str) -> None:
    def program(rank: Rank) -> Any:
        one, other = rank.new_group([0, 1]), rank.new_group([0, 1])
        # In the other order, one communicator for both would be a mismatch.
        if rank.index == 0:
            handle = rank.background(lambda: rank.all_gather("one", one))
            return rank.all_gather("other", other), handle.wait()
        handle = rank.background(lambda: rank.all_gather("other", other))
        return handle.wait(), rank.all_gather("one", one)

    assert returned(run(engine, [program] * 2)) == [(["other"] * 2, ["one"] * 2)] * 2


@every_engine
def test_a_rank_outside_of_a_group_may_not_use_it(engine: str) -> None:
    def program(rank: Rank) -> None:
        group = rank.new_group([0, 1])
        if rank.index == 2:
            rank.barrier(group)

    error = endings(run(engine, [program] * 3))[2].error
    assert isinstance(error, ValueError)
    assert str(error) == "barrier: rank 2 is not in the group [0, 1]"


@every_engine
def test_values_that_do_not_fit_together_are_an_error_on_every_rank(engine: str) -> None:
    def program(rank: Rank) -> None:
        rank.all_reduce_sum(1 if rank.index == 0 else "one")

    errors = [endings(run(engine, [program] * 2))[rank].error for rank in (0, 1)]
    assert [type(error) for error in errors] == [TypeError, TypeError]
    assert "unsupported operand" in str(errors[0])


@every_engine
def test_different_collectives_in_one_place_are_a_mismatch(engine: str) -> None:
    def program(rank: Rank) -> None:
        rank.barrier()
        if rank.index == 0:
            rank.barrier()
        else:
            rank.all_gather(1)

    with engine_factory(engine, [program] * 2) as factory:
        job = factory(PosixModel(), Conditions(0))
        try:
            job.start()
            mismatch = job.mismatch
        finally:
            job.close()
    assert mismatch is not None
    assert (mismatch.position, mismatch.issued, mismatch.expected) == (1, "all_gather", "barrier")


@every_engine
def test_a_rank_that_ends_without_its_collective_leaves_the_others_waiting(engine: str) -> None:
    def program(rank: Rank) -> None:
        if rank.index != 1:
            rank.all_reduce_max(0)

    with engine_factory(engine, [program] * 3) as factory:
        job = factory(PosixModel(), Conditions(0))
        try:
            job.start()
            assert not job.ready
            assert job.waiting() == {0: "all reduce max", 2: "all reduce max"}
        finally:
            job.close()


@every_engine
def test_a_collective_takes_everybody_to_the_time_of_the_last(engine: str) -> None:
    def program(rank: Rank) -> None:
        rank.process.elapse(10.0 * rank.index)
        rank.broadcast(0, source=0)
        rank.barrier()

    times = run(engine, [program] * 3).attempts[0].times
    assert times[0] == times[1] == times[2]
    assert times[0] % 3_600_000_000_000 == 20_000_000_000


@every_engine
def test_collectives_are_in_the_trace_in_the_order_of_completion(engine: str) -> None:
    def program(rank: Rank) -> None:
        rank.all_gather({"rank": rank.index})

    (trace,) = events(run(engine, [program] * 2, Tape()))
    assert [(event.kind, event.rank, event.arguments[3]) for event in trace] == [
        ("collective", 0, {"rank": 0}), ("collective", 1, {"rank": 1}),
    ]  # fmt: skip


def test_a_value_that_cannot_leave_its_process_is_an_error_of_the_rank() -> None:
    def program(rank: Rank) -> None:
        rank.all_gather(open("/dev/null"))  # noqa: SIM115

    error = endings(run("processes", [program]))[0].error
    assert isinstance(error, TypeError)
    assert "TextIOWrapper" in str(error)


@pytest.mark.parametrize("engine", ["greenlets", "processes"])
def test_classes_of_a_function_can_be_sent(engine: str) -> None:
    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

    def program(rank: Rank) -> int:
        return sum(point.x for point in rank.all_gather(Point(rank.index + 1)))

    assert returned(run(engine, [program] * 2)) == [3, 3]
