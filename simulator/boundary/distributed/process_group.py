"""A process group as one rank has it. Imports torch, so it is imported when a rank first needs one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from simulator.boundary.distributed.issuing import Finish, begin, check_caller, come, identity_of, ignore, meet, message
from simulator.boundary.distributed.refused import RefusingGroup
from simulator.boundary.distributed.tensors import (
    check_operation,
    check_sizes,
    check_type,
    fill,
    operation_of,
    packed,
    reduced,
    split,
    unpacked,
)
from simulator.boundary.distributed.work import RankWork
from simulator.operations import Collective


class RankGroup(RefusingGroup):
    """The methods that torch's Python calls, with the results and the errors of gloo's.

    ``ranks`` are those of the job, in the order of the group; ``place`` is this one's among them.
    """

    # In place of properties of C++.
    group_name = ""
    group_desc = "undefined"
    bound_device_id = None
    _device_types: Sequence[Any] = ()

    def __init__(self, place: int, ranks: Sequence[int], identity: int, devices: Sequence[Any]) -> None:
        super().__init__(place, len(ranks))
        self.ranks = tuple(ranks)
        self._device_types = list(devices)
        self._rank = self.ranks[place]
        self._members = tuple(sorted(ranks))
        self.identity = identity

    def __repr__(self) -> str:
        # No address, which would be another one in every run.
        return f"<torch.distributed.distributed_c10d.ProcessGroup object of rank {self._rank}>"

    def name(self) -> str:
        """The backend's name."""
        return "gloo"

    def shutdown(self) -> None:
        """Nothing is to be shut down."""

    abort = shutdown

    def form(self, name: str) -> None:
        """Each rank of the group waits until all are there, as when gloo makes one."""
        come(Collective(name, self._members, self.identity), ignore, [])

    # -- collectives ----------------------------------------------------------------------------------------------

    def barrier(self, opts: Any = None) -> RankWork:
        """Everybody waits for everybody."""
        return self._meet("barrier", None, opts, ignore, [])

    def everybody(self, *, waits: bool) -> RankWork | None:
        """The barrier of ``torch.distributed.barrier``; what to wait for later where it does not wait."""
        operation = Collective("barrier", self._members, self.identity)
        if not waits:
            return begin(operation, ignore, [])
        come(operation, ignore, [])
        return None

    def monitored_barrier(self, timeout: Any = None, wait_all_ranks: bool = False) -> None:
        """As a barrier: a rank that does not come is found out by the run, not by a time-out."""
        check_caller("monitored_barrier")
        self.form("monitored_barrier")

    def broadcast(self, tensors: list[Any], opts: Any) -> RankWork:
        """The source's tensor, on every rank. The source waits for nobody."""
        source, (tensor,) = self._one("broadcast", opts.rootRank), tensors
        check_type(tensor)
        mine = packed(tensor) if source == self._rank else None

        def finish(data: bytes) -> None:
            if mine is None:
                fill(tensor, unpacked(data, tensor, "broadcast", source))

        return self._meet("broadcast", mine, opts, finish, tensors, source)

    def allreduce(self, tensors: list[Any], opts: Any) -> RankWork:
        """All ranks' tensors combined, on every rank."""
        operation, (tensor,) = operation_of(opts), tensors
        check_type(tensor)
        check_operation(operation, tensor)

        def finish(data: list[bytes]) -> None:
            fill(tensor, reduced(operation, self._all(data, tensor, "all_reduce")))

        return self._meet("all_reduce", packed(tensor), opts, finish, tensors)

    def reduce(self, tensors: list[Any], opts: Any) -> RankWork:
        """All ranks' tensors combined, on the destination, which alone waits."""
        operation, destination, (tensor,) = operation_of(opts), self._one("reduce", opts.rootRank), tensors
        check_type(tensor)
        check_operation(operation, tensor)

        def finish(data: list[bytes] | None) -> None:
            if data is not None:
                fill(tensor, reduced(operation, self._all(data, tensor, "reduce")))

        return self._meet("reduce", packed(tensor), opts, finish, tensors, destination)

    def allgather(self, outputs: list[list[Any]], inputs: list[Any], opts: Any = None) -> RankWork:
        """Every rank's tensor, in order, on every rank."""
        (gathered,), (tensor,) = outputs, inputs
        if len(gathered) != len(self.ranks):
            said = f"(expected length {len(self.ranks)}, got {len(gathered)})"
            raise RuntimeError(f"ProcessGroupGloo::allgather: invalid output tensor list at index 0 {said}")
        check_type(tensor)
        check_sizes("allgather", tensor, gathered)

        def finish(data: list[bytes]) -> None:
            for each, given in zip(gathered, self._all(data, tensor, "all_gather"), strict=True):
                fill(each, given)

        return self._meet("all_gather", packed(tensor), opts, finish, gathered)

    def gather(self, outputs: list[list[Any]], inputs: list[Any], opts: Any) -> RankWork:
        """Every rank's tensor, in order, on the destination, which alone waits."""
        destination, (tensor,) = self._one("gather", opts.rootRank), inputs
        gathered = outputs[0] if outputs else []
        if outputs:
            self._check_list("gather", "output", gathered)
            check_sizes("gather", tensor, gathered)
        check_type(tensor)

        def finish(data: list[bytes] | None) -> None:
            if data is not None:
                for each, given in zip(gathered, self._all(data, tensor, "gather"), strict=True):
                    fill(each, given)

        return self._meet("gather", packed(tensor), opts, finish, gathered, destination)

    def scatter(self, outputs: list[Any], inputs: list[list[Any]], opts: Any) -> RankWork:
        """To each rank one of the source's tensors. The source waits for nobody."""
        source, (tensor,) = self._one("scatter", opts.rootRank), outputs
        if inputs:
            self._check_list("scatter", "input", inputs[0])
            check_sizes("scatter", tensor, inputs[0])
        check_type(tensor)
        parts = self._in_engines_order([packed(each) for each in inputs[0]]) if inputs else None

        def finish(data: list[bytes]) -> None:
            mine = data[self._members.index(self._rank)]
            fill(tensor, unpacked(mine, tensor, "scatter", source))

        return self._meet("scatter", parts, opts, finish, outputs, source)

    def alltoall(self, outputs: list[Any], inputs: list[Any], opts: Any = None) -> RankWork:
        """To each rank one tensor of every rank."""
        for tensor in (*outputs, *inputs):
            check_type(tensor)
        if len(outputs) != len(self.ranks) or len(inputs) != len(self.ranks):
            raise RuntimeError(f"all_to_all: {len(self.ranks)} tensors are needed, one for each rank")

        def finish(data: list[list[bytes]]) -> None:
            mine = self._members.index(self._rank)
            for each, given, source in zip(outputs, self._in_order(data), self.ranks, strict=True):
                fill(each, unpacked(given[mine], each, "all_to_all", source))

        parts = self._in_engines_order([packed(each) for each in inputs])
        return self._meet("all_to_all", parts, opts, finish, outputs)

    def reduce_scatter(self, outputs: list[Any], inputs: list[list[Any]], opts: Any) -> RankWork:
        """Each rank's part of all ranks' tensors combined."""
        operation, (tensor,), (parts,) = operation_of(opts), outputs, inputs
        self._check_list("reduce_scatter", "input", parts)
        check_sizes("reduce_scatter", tensor, parts)
        check_type(tensor)
        check_operation(operation, tensor)

        def finish(data: list[list[bytes]]) -> None:
            mine = self._members.index(self._rank)
            fill(tensor, reduced(operation, self._all([each[mine] for each in data], tensor, "reduce_scatter")))

        given = self._in_engines_order([packed(each) for each in parts])
        return self._meet("reduce_scatter", given, opts, finish, outputs)

    # -- the same with single tensors -----------------------------------------------------------------------------

    def all_gather_single(self, output: Any, tensor: Any, opts: Any = None) -> RankWork:
        """As ``allgather``, into the parts of one tensor along its first dimension."""
        return self.allgather([list(torch.chunk(output, len(self.ranks)))], [tensor], opts)

    def reduce_scatter_single(self, output: Any, tensor: Any, opts: Any) -> RankWork:
        """As ``reduce_scatter``, of the parts of one tensor along its first dimension."""
        size = output.shape[0] * len(self.ranks)
        if size != tensor.shape[0]:
            said = f"({size} vs. {tensor.shape[0]})"
            raise RuntimeError(f"Check failed: outputShape[0] * worldSize == inputShape[0] {said}.")
        return self.reduce_scatter([output], [list(torch.chunk(tensor, len(self.ranks)))], opts)

    def all_to_all_single(
        self, output: Any, tensor: Any, output_sizes: Sequence[int], input_sizes: Sequence[int], opts: Any = None
    ) -> RankWork:
        """As ``alltoall``, with the parts of one tensor each, of these sizes along the first dimension."""
        outputs = split("out", output, output_sizes, len(self.ranks))
        return self.alltoall(outputs, split("in", tensor, input_sizes, len(self.ranks)), opts)

    _allgather_base = all_gather_single
    _reduce_scatter_base = reduce_scatter_single
    alltoall_base = all_to_all_single

    # -- messages -------------------------------------------------------------------------------------------------

    def send(self, tensors: list[Any], destination: int, tag: int = 0) -> RankWork:
        """The receiver waits for the sender, which waits for nobody."""
        check_caller("send")
        return come(message(self, self._rank, self.ranks[destination], tag, packed(*tensors)), ignore, tensors)

    def recv(self, tensors: list[Any], source: int, tag: int = 0) -> RankWork:
        """What that rank sent with that tag, in the order in which it was sent."""
        check_caller("recv")
        (tensor,), sender = tensors, self.ranks[source]

        def finish(data: bytes) -> None:
            fill(tensor, unpacked(data, tensor, "recv", sender))

        return begin(message(self, sender, self._rank, tag), finish, tensors, source)

    # -- inside ---------------------------------------------------------------------------------------------------

    def _meet(self, name: str, value: Any, opts: Any, finish: Finish, tensors: list[Any], one: int = 0) -> RankWork:
        check_caller(name)
        return meet(Collective(name, self._members, self.identity, value, one), opts, finish, tensors)

    def _all(self, data: Sequence[bytes], like: Any, call: str) -> list[Any]:
        """Every rank's flat tensor, in the order of the group."""
        pairs = zip(self._in_order(data), self.ranks, strict=True)
        return [unpacked(each, like, call, rank) for each, rank in pairs]

    def _in_order(self, values: Sequence[Any]) -> list[Any]:
        """Values in the engine's order, that of the ranks of the job, in the order of the group."""
        return [values[self._members.index(rank)] for rank in self.ranks]

    def _in_engines_order(self, values: Sequence[Any]) -> list[Any]:
        return [values[self.ranks.index(rank)] for rank in self._members]

    def _one(self, call: str, root: int) -> int:
        if not 0 <= root < len(self.ranks):
            raise RuntimeError(f"ProcessGroupGloo::{call}: invalid root rank: {root}")
        return self.ranks[root]

    def _check_list(self, call: str, kind: str, tensors: Sequence[Any]) -> None:
        if len(tensors) != len(self.ranks):
            raise RuntimeError(
                f"ProcessGroupGloo::{call}: Incorrect {kind} list size {len(tensors)}. {kind.capitalize()} list size "
                f"should be {len(self.ranks)}, same as size of the process group."
            )


def make_group(place: int, ranks: Sequence[int], known_by: object, backends: Mapping[str, str]) -> RankGroup:
    """A group of these ranks, told by what it is ``known_by`` from others of the same; ``backends`` are by device.

    Where the only devices are none that this machine has, tensors of the processor stand for theirs.
    """
    devices = [torch.device(name) for name in backends]
    if torch.device("cpu") not in devices and not torch.cuda.is_available():
        devices = [torch.device("cpu")]
    return RankGroup(place, ranks, identity_of(known_by), devices)
