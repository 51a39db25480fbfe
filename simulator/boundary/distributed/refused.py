"""What a process group of a rank refuses: to those methods no collective of the simulator answers."""

from __future__ import annotations

from typing import Any

from torch.distributed import ProcessGroup

from simulator.boundary.caller import current
from simulator.boundary.calls import refuse


class RefusingGroup(ProcessGroup):  # type: ignore[misc]
    """A group without backends, whose methods C++ would fail in its own words, which would look like a finding."""


def _refused(name: str) -> Any:
    def method(self: RefusingGroup, *arguments: Any, **keywords: Any) -> None:
        caller = current()
        if caller is not None:
            refuse(caller, f"torch.distributed: ProcessGroup.{name}()")
        raise RuntimeError(f"a group of a simulated rank has no {name}")

    return method


for _name in (
    "recv_anysource", "split_group", "merge_remote_group", "get_group_store", "_get_backend", "_start_coalescing",
    "_end_coalescing", "allreduce_coalesced", "allgather_coalesced", "all_gather_single_coalesced",
    "allgather_into_tensor_coalesced", "reduce_scatter_single_coalesced", "reduce_scatter_tensor_coalesced",
):  # fmt: skip
    setattr(RefusingGroup, _name, _refused(_name))
