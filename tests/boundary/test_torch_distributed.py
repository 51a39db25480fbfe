"""``torch.distributed`` behind the boundary: the same as gloo where it gives something, and in whom it makes wait."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

import simulator
from simulator.boundary import distributed_adapter as adapter
from simulator.boundary.caller import current
from simulator.engines.conditions import Conditions
from simulator.errors import Escape
from simulator.faults import Faults
from simulator.filesystems import PosixModel
from simulator.rank import Rank
from tests.boundary import collective_calls
from tests.engines.jobs import engine_factory, every_engine, returned, run

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def with_gloo(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What every piece gave on each of three real processes."""
    place = tmp_path_factory.mktemp("gloo")
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    words = [sys.executable, "-m", "tests.boundary.collective_calls"]
    with contextlib.ExitStack() as ending:
        ranks = []
        for rank in range(collective_calls.RANKS):
            given = [*words, str(rank), str(place / "meet"), str(place / str(rank))]
            ranks.append(ending.enter_context(subprocess.Popen(given, cwd=REPOSITORY, env=environment)))
            ending.callback(ranks[-1].kill)
        assert [rank.wait(timeout=60) for rank in ranks] == [0, 0, 0]
    return [json.loads((place / str(rank)).read_text(encoding="utf-8")) for rank in range(collective_calls.RANKS)]


def as_a_script(rank: Rank) -> Any:
    """The pieces, on a rank that has no group when it begins."""
    caller = current()
    assert caller is not None
    caller.joined = False
    return json.loads(json.dumps(collective_calls.outcomes(rank.index, "/nowhere")))


@pytest.mark.parametrize("engine", ["greenlets", "processes"])
def test_every_call_gives_and_raises_what_it_does_with_gloo(engine: str, with_gloo: list[Any]) -> None:
    behind = returned(run(engine, [as_a_script] * 3))
    for rank in range(3):
        assert dict(behind[rank]) == dict(with_gloo[rank])


def _full(count: int = 1) -> Any:
    return torch.zeros(count)


ONE: dict[str, Any] = {
    "broadcast": lambda rank: dist.broadcast(_full(), 1),
    "broadcast_object_list": lambda rank: dist.broadcast_object_list([rank], 1),
    "scatter": lambda rank: dist.scatter(_full(), [_full()] * 3 if rank == 1 else None, 1),
    "reduce": lambda rank: dist.reduce(_full(), 1),
    "gather": lambda rank: dist.gather(_full(), [_full()] * 3 if rank == 1 else None, 1),
    "gather_object": lambda rank: dist.gather_object(rank, [None] * 3 if rank == 1 else None, 1),
    "send": lambda rank: dist.send(_full(), 2) if rank == 1 else rank and dist.recv(_full(), 1),
}
ALL: dict[str, Any] = {
    "barrier": lambda rank: dist.barrier(),
    "monitored_barrier": lambda rank: dist.monitored_barrier(),
    "all_reduce": lambda rank: dist.all_reduce(_full()),
    "all_gather": lambda rank: dist.all_gather([_full()] * 3, _full()),
    "all_gather_object": lambda rank: dist.all_gather_object([None] * 3, rank),
    "reduce_scatter": lambda rank: dist.reduce_scatter(_full(), [_full()] * 3),
    "all_to_all_single": lambda rank: dist.all_to_all_single(_full(3), _full(3)),
    "init_process_group": lambda rank: dist.init_process_group("gloo"),
    "new_group": lambda rank: dist.new_group(),
    "a later wait": lambda rank: dist.all_reduce(_full(), async_op=True).wait(),
}
WAITING = {
    "broadcast": ([], [0, 2], []),
    "broadcast_object_list": ([], [0, 2], []),
    "scatter": ([], [0, 2], []),
    "reduce": ([1], [], [1]),
    "gather": ([1], [], [1]),
    "gather_object": ([1, 2], [0, 2], [0, 1]),  # It begins with an all_gather of the sizes.
    "send": ([], [2], []),
    **dict.fromkeys(ALL, ([1, 2], [0, 2], [0, 1])),
    "never waited for": ([], [], []),
}


@pytest.mark.parametrize("call", WAITING)
def test_who_waits_for_a_rank_that_does_not_come(call: str) -> None:
    calls = {**ONE, **ALL, "never waited for": lambda rank: dist.all_reduce(_full(), async_op=True)}

    def waiting_for(absent: int) -> list[int]:
        def program(rank: Rank) -> None:
            if rank.index != absent:
                calls[call](rank.index)

        with engine_factory("greenlets", [program] * 3) as factory:
            job = factory(PosixModel(), Conditions())
            try:
                job.start()
                return sorted(job.waiting())
            finally:
                job.close()

    assert tuple(waiting_for(absent) for absent in range(3)) == WAITING[call]


@every_engine
def test_a_collective_that_was_begun_keeps_nobody_until_it_is_waited_for(engine: str) -> None:
    def program(rank: Rank) -> Any:
        tensor = torch.ones(1)
        work = dist.all_reduce(tensor, async_op=True)
        os.mkdir(rank.root / f"begun-{rank.index}")
        if rank.index == 1:
            assert work.wait()
        found = sorted(os.listdir(rank.root))
        work.wait()
        return found, tensor.item()

    # Undisturbed, rank 0 runs on until it waits, which it does not before it has looked.
    assert returned(run(engine, [program] * 2)) == [(["begun-0"], 2.0), (["begun-0", "begun-1"], 2.0)]


@pytest.mark.parametrize("ask", ["is_completed", "is_success", "result", "get_future"])
def test_to_ask_whether_a_collective_is_done_before_it_was_waited_for_is_refused(ask: str) -> None:
    def program(rank: Rank) -> None:
        getattr(dist.all_reduce(torch.ones(1), async_op=True), ask)()

    with pytest.raises(Escape, match=rf"all_reduce\(\): Work\.{ask}\(\) before Work\.wait\(\), at .*test_torch"):
        simulator.explore(program, schedules=2)


def test_ranks_that_disagree_about_a_collective_are_a_finding() -> None:
    def program(rank: Rank) -> None:
        os.mkdir(rank.root / str(rank.index))
        dist.broadcast(torch.zeros(1), rank.index)

    found = simulator.explore(program, schedules=5)
    assert "rank 1 issued broadcast from rank 1 where rank 0 issued broadcast from rank 0" in str(found)


def test_a_rank_that_does_not_come_is_a_finding() -> None:
    def program(rank: Rank) -> None:
        os.mkdir(rank.root / str(rank.index))
        if rank.index == 0:
            dist.barrier()

    found = simulator.explore(program, schedules=5)
    assert found.failure is not None
    assert found.failure.invariant == "no-hang"
    assert "barrier" in str(found)


def test_tensors_that_do_not_fit_together_are_an_error_of_the_rank() -> None:
    def program(rank: Rank) -> None:
        os.mkdir(rank.root / str(rank.index))
        dist.all_reduce(torch.zeros(1 + rank.index))

    assert "all_reduce: rank 1 gave 8 bytes where this rank has 4" in str(simulator.explore(program, schedules=5))


def test_a_function_finds_the_group_of_its_job_which_it_may_join_once() -> None:
    def program(rank: Rank) -> Any:
        given = dist.is_initialized(), dist.get_rank(), dist.get_world_size()
        dist.init_process_group("gloo")
        with pytest.raises(ValueError, match="twice"):
            dist.init_process_group("gloo")
        dist.destroy_process_group()
        assert not dist.is_initialized()
        dist.init_process_group("nccl")
        dist.barrier()
        return given, dist.get_backend()

    assert returned(run("greenlets", [program] * 2)) == [((True, 0, 2), "nccl"), ((True, 1, 2), "nccl")]


def test_a_default_group_is_another_one_after_it_was_destroyed() -> None:
    def program(rank: Rank) -> None:
        os.mkdir(rank.root / str(rank.index))
        if rank.index == 0:
            dist.barrier()
        else:
            dist.destroy_process_group()
            dist.init_process_group("nccl")
            dist.barrier()

    found = simulator.explore(program, schedules=3)
    assert found.failure is not None
    assert found.failure.invariant == "no-hang"


def test_the_groups_of_this_process_are_left_alone() -> None:
    def program(rank: Rank) -> Any:
        return dist.is_initialized()

    before = dist.distributed_c10d._world
    assert not dist.is_initialized()
    assert simulator.run_as_rank(dist.is_initialized) is True
    assert not dist.is_initialized()
    assert dist.distributed_c10d._world is before


def backward(rank: Rank) -> None:
    weight = torch.ones(1, requires_grad=True)
    weight.register_hook(lambda gradient: dist.all_reduce(gradient))
    (weight * 2).backward()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (
            lambda _: torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1)),
            r"Parallel\(\), at .*dist.all_reduce",
        ),
        (lambda _: dist.init_process_group("gloo", rank=0, world_size=1), r"rank=0, world_size=1\) on rank 0 of 2"),
        (lambda _: dist.init_process_group("ucc"), r"init_process_group\(backend='ucc'\)"),
        (lambda _: dist.TCPStore("localhost", 1, 1, True), r"torch\.distributed\.TCPStore\(\)"),
        (lambda _: dist.recv(torch.zeros(1)), r"ProcessGroup\.recv_anysource\(\)"),
        (lambda _: dist.isend(torch.zeros(1), 0), "a message of a rank to itself"),
        (lambda _: dist.group.WORLD.barrier(), "barrier that C\\+\\+ issues, or code past the functions"),
        (backward, "all_reduce inside of a backward pass"),
    ],
)
def test_what_is_not_simulated_is_refused_in_one_line(program: Any, said: str) -> None:
    with pytest.raises(Escape, match=said) as refused:
        simulator.explore([program, lambda rank: None], schedules=2)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_rank_that_computes_without_gradients_leaves_the_others_theirs(mode: Any) -> None:
    def program(rank: Rank) -> Any:
        if rank.index == 0:
            with mode():
                dist.barrier()
                os.mkdir(rank.root / "a")
                inside = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
                dist.barrier()
        else:
            inside = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
            dist.barrier()
            os.mkdir(rank.root / "b")
            assert torch.ones(1, requires_grad=True).mul(2).requires_grad
            dist.barrier()
        return inside, torch.is_grad_enabled(), torch.is_inference_mode_enabled()

    without = (False, mode is torch.inference_mode)
    assert returned(run("greenlets", [program] * 2)) == [(without, True, False), ((True, False), True, False)]
    assert torch.is_grad_enabled()


def test_a_barrier_orders_what_a_certificate_says() -> None:
    def racing(rank: Rank) -> None:
        staging = rank.root / "tmp"
        staging.mkdir(exist_ok=True)
        if ordered:
            dist.barrier()
        if rank.index == 0:
            staging.rename(rank.root / "final")
        elif not ordered:
            (staging / "state").touch()
        dist.all_gather_object([None] * 2, rank.index)

    ordered = True
    assert simulator.certify(racing).verdict == "certified"
    ordered = False
    assert simulator.certify(racing).failure is not None


def test_every_name_replaced_is_one_of_torchs() -> None:
    tables = (adapter.FUNCTIONS, adapter.METHODS, adapter.CLASSES, adapter.OBJECTS)
    for key in (key for table in tables for key in table if key not in adapter.OF_SOME_VERSIONS):
        name, _, path = key.partition(":")
        assert attrgetter(path)(importlib.import_module(name)) is not None
    assert {key for table in tables for key in table} >= adapter.OF_SOME_VERSIONS


class Saver:
    """A save that knows of its job by ``torch.distributed`` alone."""

    waits = True

    def save(self, rank: Rank, state: Any, step: int) -> None:
        staging = rank.root / f"tmp-{step}"
        if dist.get_rank() == 0:
            staging.mkdir(exist_ok=True)
        dist.barrier()
        for shard in state.shards:
            shard.save(staging / shard.name)
        if self.waits:
            dist.gather_object(rank.index, [None] * dist.get_world_size() if dist.get_rank() == 0 else None)
        if dist.get_rank() == 0:
            staging.rename(rank.root / f"checkpoint-{step}")
        dist.barrier()

    def pick(self, rank: Rank) -> Path | None:
        newest: list[Any] = [max(rank.root.glob("checkpoint-*"), default=None) if dist.get_rank() == 0 else None]
        dist.broadcast_object_list(newest)
        found: Path | None = newest[0]
        return found

    def load(self, rank: Rank, checkpoint: Path) -> Any:
        state = rank.fresh_state(int(checkpoint.name.rpartition("-")[2]))
        for shard in state.shards:
            shard.load(checkpoint / shard.name)
        return state


class EarlySaver(Saver):
    """The same without waiting for the others' files."""

    waits = False


def test_a_strategy_that_only_knows_torch_distributed_is_certified_and_found_out() -> None:
    judged = ["no-error", "no-hang", "complete", "agree", "keep", "progress"]
    assert simulator.certify(Saver, invariants=judged).verdict == "certified"
    killed = simulator.explore(Saver, schedules=30, restarts=1, faults=Faults(kills=1), invariants=judged)
    assert killed.verdict == "clean"
    found = simulator.explore(EarlySaver, schedules=60, invariants=judged)
    assert found.failure is not None
    assert found.failure.invariant == "complete"
    assert simulator.replay(found.failure).failure is not None


def test_a_barrier_asks_for_no_device_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with a GPU, where torch's own chooses one and warns."""
    module = importlib.import_module("torch.distributed.distributed_c10d")
    monkeypatch.setattr(torch._C, "_get_accelerator", lambda check=None: torch.device("cuda"), raising=False)
    monkeypatch.setattr(module, "_get_object_coll_device", lambda group=None: "cuda", raising=False)

    def program(rank: Rank) -> int:
        dist.init_process_group("gloo")
        half = dist.new_group([0], backend="gloo")
        if rank.index == 0:
            dist.barrier(half)
        waiting = dist.barrier(async_op=True)
        assert waiting is not None
        waiting.wait()
        return rank.index

    assert returned(run("greenlets", [program] * 2)) == [0, 1]


def test_private_functions_that_a_version_of_torch_lacks_are_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    functional = importlib.import_module("torch.distributed._functional_collectives")
    for key in adapter.OF_SOME_VERSIONS:
        holder, _, name = key.partition(":")
        monkeypatch.delattr(importlib.import_module(holder), name, raising=False)

    def program(rank: Rank) -> list[Any]:
        seen: list[Any] = [None] * rank.world_size
        dist.all_gather_object(seen, rank.index)
        dist.barrier()
        return seen

    def functionally(rank: Rank) -> None:
        functional._resolve_group_name([0, 1], "")

    assert returned(run("greenlets", [program] * 2)) == [[0, 1], [0, 1]]
    with pytest.raises(Escape, match="functional collective"):
        run("greenlets", [functionally] * 2)
