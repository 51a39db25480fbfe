"""``torch.distributed``: a rank has process groups of its own, whose collectives are the simulator's.

Torch's functions stay what they are. Replaced is where they look groups up and make them, and refused is what lets C++
issue collectives by itself: no rank can go on while another one is inside C++, which calls back into Python.
"""

from __future__ import annotations

import sys
from typing import Any, Final, NoReturn

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, refuse
from simulator.boundary.dispatch import original_of
from simulator.boundary.distributed.joining import init_process_group, new_group_helper, world_of

_TORCHS: Final = "torch.distributed.distributed_c10d"


def update_default_group(caller: Caller, group: Any) -> None:
    """As ``_update_default_pg``; C++, which all ranks share, is not told."""
    world = world_of(caller)
    world.default_pg = group
    world.given = False


def register(caller: Caller, name: str, group: Any) -> None:
    """As torch's C++: the group can be found by its name."""
    world_of(caller).by_name[name] = group


def resolve(caller: Caller, name: str) -> Any:
    """As torch's C++: the group of that name."""
    group = world_of(caller).by_name.get(name)
    if group is None:
        raise RuntimeError(f"Could not resolve the process group registered under the name {name}")
    return group


def unregister(caller: Caller, name: str) -> None:
    """As torch's C++: the name is free again."""
    world_of(caller).by_name.pop(name, None)


def unregister_all(caller: Caller) -> None:
    """As torch's C++, when the default group is destroyed: what comes after meets what comes after on other ranks."""
    world = world_of(caller)
    world.by_name.clear()
    world.generation += 1


def store_based_barrier(caller: Caller, rank: int, store: Any, group_name: str, *arguments: Any, **words: Any) -> None:
    """As ``_store_based_barrier``, which ``TORCH_DIST_INIT_BARRIER=1`` asks for: of all ranks of the job."""
    world_of(caller).default_pg.form("barrier")


def barrier(
    caller: Caller, group: Any = None, async_op: bool = False, device_ids: Any = None, timeout: Any = None
) -> Any:
    """As torch's, which chooses a device first and warns where the machine has one: a simulated rank has none."""
    torchs = sys.modules[_TORCHS]
    group = group or torchs._get_default_group()
    if torchs._rank_not_in_group(group):
        torchs._warn_not_in_group("barrier")
        return None
    return group.everybody(waits=not async_op)


def about_call(caller: Caller, function: str, *arguments: Any, **words: Any) -> dict[str, Any]:
    """As what torch logs of a call that failed; of NCCL, without asking for its version, which may not be there."""
    config = world_of(caller).pg_backend_config.values()
    if any("nccl" in each for each in config):
        return {"func_name": function}
    original = original_of(sys.modules["torch.distributed.c10d_logger"]._get_msg_dict)
    about: dict[str, Any] = original(function, *arguments, **words)
    return about


def _refused(name: str) -> Simulated:
    def call(caller: Caller, *arguments: Any, **words: Any) -> NoReturn:
        refuse(caller, f"{name}()")

    call.__doc__ = f"In place of ``{name}``: an escape."
    return call


FUNCTIONS: Final[dict[str, Simulated]] = {
    f"{_TORCHS}:init_process_group": init_process_group,
    f"{_TORCHS}:_new_process_group_helper": new_group_helper,
    f"{_TORCHS}:_update_default_pg": update_default_group,
    f"{_TORCHS}:_register_process_group": register,
    f"{_TORCHS}:_resolve_process_group": resolve,
    f"{_TORCHS}:_unregister_process_group": unregister,
    f"{_TORCHS}:_unregister_all_process_groups": unregister_all,
    f"{_TORCHS}:_store_based_barrier": store_based_barrier,
    f"{_TORCHS}:barrier": barrier,
    "torch.distributed.c10d_logger:_get_msg_dict": about_call,
    **{
        f"{_TORCHS}:{name}": _refused(f"torch.distributed.{name}")
        for name in ("split_group", "shrink_group", "_abort_process_group")
    },
    **{
        f"torch.distributed:{name}": _refused(f"torch.distributed.{name}")
        for name in ("_broadcast_coalesced", "_verify_params_across_processes")
    },
    **{
        f"torch.distributed._functional_collectives:{name}": _refused("torch.distributed: a functional collective")
        for name in ("_resolve_group", "_resolve_group_name")
    },
}

CLASSES: Final[dict[str, Simulated]] = {"torch.distributed:TCPStore": _refused("torch.distributed.TCPStore")}

METHODS: Final[dict[str, Simulated]] = {
    "torch.nn.parallel.distributed:DistributedDataParallel.__init__": _refused(
        "torch.nn.parallel.DistributedDataParallel"
    ),
}

OF_SOME_VERSIONS: Final = frozenset(
    {
        "torch.distributed._functional_collectives:_resolve_group",
        f"{_TORCHS}:_abort_process_group",
        f"{_TORCHS}:_unregister_all_process_groups",
        f"{_TORCHS}:shrink_group",
        f"{_TORCHS}:split_group",
    }
)
"""What not every version from 2.4 on has; where it is absent there is nothing to replace."""

OBJECTS: Final[dict[str, Simulated]] = {f"{_TORCHS}:_world": world_of}
