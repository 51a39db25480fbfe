"""How a rank gets its process groups: the default one by ``init_process_group``, or given; others by ``new_group``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlparse

from simulator.boundary.caller import CURRENT, Caller
from simulator.boundary.calls import refuse
from simulator.boundary.distributed.world import World

_SIMULATED: Final = frozenset({"gloo", "nccl"})
_WITHOUT_ADDRESS: Final = ("env", "tcp", "file")


def world_of(caller: Caller) -> World:
    """The groups of a rank. With the default one at first, unless the rank begins as a script does, on its own."""
    world: World | None = caller.groups
    if world is None:
        world = caller.groups = World()
        if caller.joined:
            world.given = True
            _add_default(caller, world, "gloo")
    return world


def init_process_group(
    caller: Caller,
    backend: Any = None,
    init_method: str | None = None,
    timeout: Any = None,
    world_size: int = -1,
    rank: int = -1,
    store: Any = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
    _ranks: Sequence[int] | None = None,
) -> None:
    """As torch's: with gloo every rank waits until all have come. Another place than the rank's own is an escape."""
    torchs, world = _torchs(), world_of(caller)
    if world.default_pg is not None and not world.given:
        raise ValueError("trying to initialize the default process group twice!")
    if store is not None and init_method is not None:
        raise AssertionError("Cannot specify both init_method and store.")
    chosen = torchs.Backend("undefined" if backend is None else backend)
    if timeout is not None and not isinstance(timeout, timedelta):
        raise TypeError(f"Expected timeout argument to be of type datetime.timedelta, got {timeout}")
    check_backend(caller, chosen)
    if store is None:
        rank, world_size = _place(init_method or "env://", rank, world_size)
    if (rank, world_size) != (caller.rank, caller.world_size):
        said = f"init_process_group(rank={rank}, world_size={world_size})"
        refuse(caller, f"torch.distributed.{said} on rank {caller.rank} of {caller.world_size}")
    if not world.given:
        _add_default(caller, world, chosen)
    elif chosen != "gloo":
        group = world.default_pg
        world.pg_map[group] = (chosen, None)
        world.pg_backend_config[group] = str(torchs.BackendConfig(chosen))
    world.given = False
    if "gloo" in world.pg_backend_config[world.default_pg]:
        world.default_pg.form("init_process_group")
    if os.environ.get("TORCH_DIST_INIT_BARRIER", "0") == "1":
        world.default_pg.form("barrier")


def new_group_helper(
    caller: Caller,
    group_size: int,
    group_rank: Any,
    global_ranks_in_group: Sequence[int],
    backend: Any,
    store: Any,
    group_name: str,
    *arguments: Any,
    pg_tag: str | None = None,
    group_desc: str | None = None,
    **keywords: Any,
) -> tuple[Any, Any]:
    """As ``_new_process_group_helper`` for a group that is not the default one: gives it, and its store, which is none.

    On a rank that is no member it is torch's ``NON_GROUP_MEMBER``. With gloo every member waits until all have come.
    """
    torchs, world = _torchs(), world_of(caller)
    if group_name in world.pg_names.values():
        raise ValueError("The specified group name has already been created, please use a different group name")
    if pg_tag:
        known = torchs._find_pg_by_ranks_and_tag(pg_tag, list(global_ranks_in_group))
        if known:
            return known, None
    if caller.rank not in global_ranks_in_group:
        return torchs.GroupMember.NON_GROUP_MEMBER, None
    check_backend(caller, backend)
    group = _add(world, group_rank, global_ranks_in_group, backend, group_name, pg_tag)
    group.group_desc = group_desc or "undefined"
    if "gloo" in world.pg_backend_config[group]:
        group.form("new_group")
    return group, None


def check_backend(caller: Caller, backend: Any) -> None:
    """Refuse a backend that is not simulated; raise what torch raises for one that it was not built with."""
    torchs = _torchs()
    if backend == torchs.Backend.MPI and not torchs.is_mpi_available():
        raise RuntimeError(
            "Distributed package doesn't have MPI built in. MPI is only included if you build PyTorch from source on "
            "a host that has MPI installed."
        )
    for each in set(torchs.BackendConfig(backend).get_device_backend_map().values()):
        if each not in _SIMULATED:
            refuse(caller, f"torch.distributed.init_process_group(backend={str(backend)!r})")


def _add_default(caller: Caller, world: World, backend: Any) -> None:
    torchs = _torchs()
    name = str(world.group_count)
    world.group_count += 1
    everybody = range(caller.world_size)
    world.default_pg = group = _add(world, caller.rank, everybody, torchs.Backend(backend), name, None)
    group.group_desc = "default_pg"
    world.pg_group_ranks[group] = {rank: rank for rank in everybody}


def _add(world: World, place: int, ranks: Sequence[int], backend: Any, name: str, tag: str | None) -> Any:
    caller, CURRENT.caller = CURRENT.caller, None
    try:
        # Imports torch, and looks for devices: not in a rank's name.
        from simulator.boundary.distributed.process_group import make_group

        config = _torchs().BackendConfig(backend)
        group = make_group(place, ranks, (world.generation, name), config.get_device_backend_map())
    finally:
        CURRENT.caller = caller
    group.group_name = name
    world.pg_map[group] = (backend, None)
    world.pg_names[group] = name
    world.pg_backend_config[group] = str(config)
    world.by_name[name] = group
    if not tag:
        world.tags_to_pg.setdefault("", []).append(group)
    tag = f"user:{tag}" if tag else f"ptd:{name}"
    world.tags_to_pg.setdefault(tag, []).append(group)
    world.pg_to_tag[group] = tag
    return group


def _place(method: str, rank: int, world_size: int) -> tuple[int, int]:
    """Which place torch's rendezvous would take. Raises as it does where something is missing."""
    address = urlparse(method)
    if address.scheme not in _WITHOUT_ADDRESS:
        raise RuntimeError(f"No rendezvous handler for {address.scheme}://")
    given = dict(parse_qsl(address.query))
    error = f"Error initializing torch.distributed using {address.scheme}:// rendezvous: "
    if address.scheme == "tcp" and address.port is None:
        raise ValueError(f"{error}port number missing")
    found = []
    for value, key, words in ((rank, "rank", "rank"), (world_size, "world_size", "world size")):
        text: Any = given.get(key) if value == -1 else value
        if text is None and address.scheme == "env":
            text = os.environ.get(key.upper())
            if text is None:
                raise ValueError(f"{error}environment variable {key.upper()} expected, but not set")
        if text is None:
            raise ValueError(f"{error}{words} parameter missing")
        found.append(int(text))
    if address.scheme == "env":
        for name in ("MASTER_ADDR", "MASTER_PORT"):
            if not os.environ.get(name):
                raise ValueError(f"{error}environment variable {name} expected, but not set")
    return found[0], found[1]


def _torchs() -> Any:
    """The module of torch that these functions are of."""
    return sys.modules["torch.distributed.distributed_c10d"]
