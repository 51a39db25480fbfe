"""Small pieces of code on ``torch.distributed`` for three ranks: the same with gloo and behind the boundary.

As a program of its own it runs them with gloo, and writes what they gave: RANK, the place to meet, the file to write.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist

RANKS = 3
Piece = Callable[[int], Any]
OPERATIONS = ("SUM", "AVG", "PRODUCT", "MIN", "MAX", "BAND", "BOR", "BXOR", "PREMUL_SUM")
TYPES = (torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool, torch.int16)


def outcomes(rank: int, place: str) -> list[tuple[str, Any]]:
    """What each piece gave or raised on this rank, all of them one after the other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = [(name, _tried(piece, rank)) for name, piece in BEFORE(place).items()]
        dist.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=RANKS)
        during = [(name, _tried(piece, rank)) for name, piece in DURING.items()]
        dist.destroy_process_group()
        return before + during + [(name, _tried(piece, rank)) for name, piece in AFTER.items()]


def _tried(piece: Piece, rank: int) -> Any:
    try:
        return _plain(piece(rank))
    except Exception as error:
        return f"{type(error).__name__}: {str(error).partition(' object ')[0].splitlines()[0].strip()}"


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return [str(value.dtype), list(value.shape), str(value.tolist())]
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def BEFORE(place: str) -> dict[str, Piece]:
    def joining(*arguments: Any, **words: Any) -> Piece:
        return lambda _: dist.init_process_group(*arguments, **words)

    return {
        "a barrier without a group": lambda _: dist.barrier(),
        "the rank without a group": lambda _: dist.get_rank(),
        "the size without a group": lambda _: dist.get_world_size(),
        "a new group without a group": lambda _: dist.new_group([0]),
        "whether there is a group": lambda _: (dist.is_available(), dist.is_initialized(), dist.group.WORLD),
        "destroying no group": lambda _: dist.destroy_process_group(),
        "no rank": joining("gloo", init_method=f"file://{place}"),
        "no world size": joining("gloo", init_method="tcp://localhost:1", rank=0),
        "no such address": joining("gloo", init_method="nowhere://x", rank=0, world_size=3),
        "no port": joining("gloo", init_method="tcp://localhost", rank=0, world_size=3),
        "no timedelta": joining("gloo", init_method=f"file://{place}", rank=0, world_size=3, timeout=3),
        "no text": joining(3),
        "no MPI": joining("mpi"),
        "two ways": joining("gloo", init_method=f"file://{place}", store=dist.HashStore(), rank=0, world_size=3),
    }


def _full(rank: int, size: int = 2) -> Any:
    return torch.full((size,), float(rank))


def _zeros(count: int, size: int = 2) -> list[Any]:
    return [torch.zeros(size) for _ in range(count)]


def _all_reduce(operation: str, kind: torch.dtype) -> Piece:
    def piece(rank: int) -> Any:
        tensor = torch.tensor([1, 2, rank + 1]).to(kind)
        dist.all_reduce(tensor, getattr(dist.ReduceOp, operation))
        return tensor if kind is not torch.bool else tensor.any()

    return piece


def _broadcast(rank: int) -> Any:
    tensor = torch.arange(6).reshape(2, 3).t() + 100 * rank
    dist.broadcast(tensor, 1)
    return tensor


def _weight(rank: int) -> Any:
    weight = torch.nn.Parameter(_full(rank))
    loss = (weight * weight).sum()
    dist.broadcast(weight, 2)
    loss.backward()
    return weight.detach(), weight.grad


def _complex(rank: int) -> Any:
    tensor = torch.tensor([1 + 2j]) * rank
    dist.all_reduce(tensor)
    return tensor


def _empty(_: int) -> Any:
    tensor = torch.empty(0)
    dist.all_reduce(tensor)
    dist.broadcast(tensor, 0)
    return tensor


def _reduce(rank: int) -> Any:
    tensor = _full(rank)
    dist.reduce(tensor, 1)
    return tensor if rank == 1 else None


def _all_gather(rank: int) -> Any:
    parts = _zeros(3)
    dist.all_gather(parts, _full(rank))
    return parts


def _all_gather_into(count: int, *shape: int) -> Piece:
    def piece(rank: int) -> Any:
        whole = torch.zeros(count).reshape(shape or (count,))
        dist.all_gather_into_tensor(whole, _full(rank))
        return whole

    return piece


def _gather(rank: int) -> Any:
    parts = _zeros(3) if rank == 2 else None
    dist.gather(_full(rank), parts, dst=2)
    return parts


def _scatter(rank: int) -> Any:
    tensor = torch.zeros(2)
    dist.scatter(tensor, [_full(each) for each in range(3)] if rank == 1 else None, src=1)
    return tensor


def _scatter_wrong(count: int, size: int) -> Piece:
    return lambda rank: dist.scatter(torch.zeros(2), _zeros(count, size), src=rank)


def _reduce_scatter(rank: int) -> Any:
    tensor, other = torch.zeros(2), torch.zeros(2)
    dist.reduce_scatter(tensor, [_full(each + rank) for each in range(3)])
    dist.reduce_scatter_tensor(other, torch.arange(6.0) + rank, dist.ReduceOp.AVG)
    return tensor, other


def _all_to_all(rank: int) -> Any:
    parts, whole = _zeros(3), torch.zeros(3)
    uneven = torch.zeros(3 * (rank + 1), dtype=torch.int64)
    dist.all_to_all(parts, [_full(10 * rank + each) for each in range(3)])
    dist.all_to_all_single(whole, torch.arange(3.0) + 10 * rank)
    dist.all_to_all_single(uneven, torch.arange(6) + 10 * rank, [rank + 1] * 3, [1, 2, 3])
    return parts, whole, uneven


def _objects(rank: int) -> Any:
    everywhere: list[Any] = [None] * 3
    here: list[Any] | None = [None] * 3 if rank == 1 else None
    sent: list[Any] = [1, {"a": "b" * 99}] if rank == 2 else [None, None]
    part: list[Any] = [None]
    dist.all_gather_object(everywhere, {"rank": rank, "long": "x" * rank})
    dist.gather_object((rank, "y"), here, dst=1)
    dist.broadcast_object_list(sent, src=2)
    dist.scatter_object_list(part, [1, "two", None] if rank == 0 else None)
    return str(everywhere), str(here), str(sent), str(part)


def _object_that_cannot_be_pickled(_: int) -> Any:
    try:
        dist.all_gather_object([None] * 3, lambda: None)
    except Exception as error:
        return type(error).__name__


def _group(rank: int) -> Any:
    group = dist.new_group([2, 0])
    tensor = torch.tensor([rank])
    dist.all_reduce(tensor, group=group)
    found = [
        _tried(piece, rank)
        for piece in (
            lambda _: dist.get_rank(group),
            lambda _: dist.get_world_size(group),
            lambda _: dist.get_backend(group),
            lambda _: dist.get_process_group_ranks(group),
            lambda _: dist.get_group_rank(group, 2),
            lambda _: dist.broadcast(tensor, 1, group=group),
            lambda _: dist.all_gather_object([None] * 2, rank, group=group),
            lambda _: dist.barrier(group),
            lambda _: dist.destroy_process_group(group),
        )
    ]
    return group == dist.GroupMember.NON_GROUP_MEMBER, isinstance(group, dist.ProcessGroup), tensor, found


def _unsorted_group(rank: int) -> Any:
    group = dist.new_group([2, 0], sort_ranks=False)
    if rank == 1:
        return None
    parts, tensor = _zeros(2), torch.zeros(2)
    dist.all_gather(parts, _full(rank), group=group)
    dist.scatter(tensor, [_full(7), _full(8)] if rank == 2 else None, src=2, group=group)
    return parts, tensor, dist.get_rank(group)


def _subgroups(rank: int) -> Any:
    alone, _ = dist.new_subgroups(1)
    other = dist.new_group([0, 1], use_local_synchronization=True)
    tensor = _full(rank)
    dist.all_reduce(tensor, group=alone)
    if rank < 2:
        dist.all_reduce(tensor, group=other)
    return tensor, other is None


def _later(rank: int) -> Any:
    first, second, third = _full(rank), _full(rank), _full(rank)
    works = [dist.all_reduce(first, async_op=True), dist.broadcast(second, 1, async_op=True)]
    dist.all_reduce(third)
    waited = [work.wait() for work in reversed(works)]
    return first, second, third, waited, [work.is_completed() for work in works]


def _messages(rank: int) -> Any:
    got = torch.zeros(2)
    if rank == 0:
        dist.send(_full(5), 1)
        dist.send(_full(6), 1, tag=3)
        dist.isend(_full(7), 1).wait()
        return None
    if rank == 1:
        tagged, second = torch.zeros(2), torch.zeros(2)
        work = dist.irecv(got, 0)
        later = dist.irecv(second, 0)
        sender = dist.recv(tagged, 0, tag=3)
        return sender, later.wait(), work.wait(), got, second, tagged
    return _tried(lambda _: dist.send(got, 2), rank)


def _ring(rank: int) -> Any:
    got = torch.zeros(2)
    sends = dist.P2POp(dist.isend, _full(rank), (rank + 1) % 3)
    receives = dist.P2POp(dist.irecv, got, (rank - 1) % 3)
    for work in dist.batch_isend_irecv([sends, receives]):
        work.wait()
    return got


DURING: dict[str, Piece] = {
    "twice": lambda _: dist.init_process_group("gloo"),
    "what is known": lambda _: (
        dist.is_initialized(), dist.get_rank(), dist.get_world_size(), dist.get_backend(),
        dist.get_backend_config(), dist.get_process_group_ranks(None), dist.group.WORLD is dist.GroupMember.WORLD,
        dist.distributed_c10d._get_default_group() is dist.group.WORLD, dist.group.WORLD.size(),
    ),
    "barrier": lambda _: dist.barrier(),
    "monitored barrier": lambda _: dist.monitored_barrier(),
    **{f"{name} of {kind}": _all_reduce(name, kind) for name in OPERATIONS for kind in TYPES},
    "broadcast": _broadcast,
    "broadcast of a parameter that a gradient needs": _weight,
    "broadcast of a type that gloo does not have": lambda _: dist.broadcast(torch.zeros(2, dtype=torch.int16), 0),
    "no such source": lambda _: dist.broadcast(torch.zeros(1), 7),
    "no tensor": lambda _: dist.broadcast([1], 0),
    "complex": _complex,
    "empty": _empty,
    "reduce": _reduce,
    "all_gather": _all_gather,
    "all_gather, too few": lambda rank: dist.all_gather(_zeros(2), _full(rank)),
    "all_gather, another size": lambda rank: dist.all_gather(_zeros(3, 3), _full(rank)),
    "all_gather, another type": lambda rank: dist.all_gather([torch.zeros(2, dtype=torch.int64)] * 3, _full(rank)),
    "all_gather_into_tensor": _all_gather_into(6),
    "all_gather_into_tensor, rows": _all_gather_into(6, 3, 2),
    "all_gather_into_tensor, another size": _all_gather_into(5),
    "gather": _gather,
    "gather to nobody": lambda rank: dist.gather(_full(rank), None if rank == 2 else _zeros(3), dst=2),
    "gather, too few": lambda rank: dist.gather(_full(rank), _zeros(2), dst=rank),
    "scatter": _scatter,
    "scatter, too few": _scatter_wrong(2, 2),
    "scatter, another size": _scatter_wrong(3, 3),
    "reduce_scatter": _reduce_scatter,
    "all_to_all": _all_to_all,
    "all_to_all_single, other sizes": lambda _: dist.all_to_all_single(_full(0, 6), _full(1, 6), [1] * 3, [2] * 3),
    "objects": _objects,
    "objects, too few": lambda rank: dist.all_gather_object([None] * 2, rank),
    "an object that cannot be pickled": _object_that_cannot_be_pickled,
    "groups of their own": _subgroups,
    "a group of some": _group,
    "a group with its own order": _unsorted_group,
    "a group of a rank that there is not": lambda _: dist.new_group([0, 5]),
    "a group with a rank twice": lambda _: dist.new_group([0, 0]),
    "waited for later": _later,
    "messages": _messages,
    "messages in a ring": _ring,
}  # fmt: skip

AFTER: dict[str, Piece] = {
    "a barrier after the end": lambda _: dist.barrier(),
    "destroyed twice": lambda _: dist.destroy_process_group(),
    "whether there is one after the end": lambda _: dist.is_initialized(),
}


if __name__ == "__main__":
    with open(sys.argv[3], "w", encoding="utf-8") as _file:
        json.dump(outcomes(int(sys.argv[1]), sys.argv[2]), _file)
