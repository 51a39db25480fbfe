"""``torch.distributed``: refused. A real process group would wait for processes that are not there.

The group and its collectives are the simulator's own (``rank.barrier()`` and its like). What only asks
(``is_available``, ``is_initialized``) is answered by torch: there is no group.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, refuse

_REFUSED: Final = (
    "init_process_group", "destroy_process_group", "new_group", "new_subgroups", "new_subgroups_by_enumeration",
    "get_rank", "get_world_size", "barrier", "monitored_barrier", "broadcast", "broadcast_object_list", "all_gather",
    "all_gather_object", "all_gather_coalesced", "all_gather_into_tensor", "all_reduce", "all_reduce_coalesced",
    "reduce", "reduce_scatter", "reduce_scatter_tensor", "gather", "gather_object", "scatter", "scatter_object_list",
    "all_to_all", "all_to_all_single", "send", "recv", "isend", "irecv", "send_object_list", "recv_object_list",
    "batch_isend_irecv",
)  # fmt: skip


def _refused(name: str) -> Simulated:
    def call(caller: Caller, *arguments: Any, **keywords: Any) -> NoReturn:
        refuse(caller, f"torch.distributed.{name}()")

    call.__doc__ = f"In place of ``torch.distributed.{name}``: an escape."
    return call


FUNCTIONS: Final[dict[str, Simulated]] = {
    f"torch.distributed.distributed_c10d:{name}": _refused(name) for name in _REFUSED
}
