"""How a rank's part in a collective is handed over, at once or to be waited for later."""

from __future__ import annotations

import sys
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final

import msgspec
import torch

from simulator.boundary.caller import Caller, current
from simulator.boundary.calls import refuse
from simulator.boundary.distributed.work import RankWork
from simulator.operations import Collective, Message

_TORCHS_OWN: Final = "torch.distributed.distributed_c10d"
_HERE: Final = __name__.rpartition(".")[0]

Finish = Callable[[Any], None]
"""Puts what a collective gave into the caller's tensors."""


def identity_of(*what: object) -> int:
    """The number of a communicator that is known by these; negative, unlike those of ``Rank.new_group``."""
    return -1 - int.from_bytes(blake2b(repr(what).encode(), digest_size=6).digest())


def ignore(_: Any) -> None:
    """Finishes a collective that gives nothing."""


def meet(operation: Collective, opts: Any, finish: Finish, tensors: list[Any]) -> RankWork:
    """Hand a collective over and wait for it; with torch's option ``asyncOp``, go on without.

    Where this version of torch does not say whether its caller waits, it may be that it does so later.
    """
    later = getattr(opts, "asyncOp", True)
    return begin(operation, finish, tensors) if later else come(operation, finish, tensors)


def come(operation: Collective, finish: Finish, tensors: list[Any]) -> RankWork:
    """Hand a collective over and wait for it."""
    sent = msgspec.structs.replace(operation, value=Message(operation.value))
    finish(_content(caller_of(operation.name).perform(sent)))
    return RankWork(operation.name, tensors, None)


def begin(operation: Collective, finish: Finish, tensors: list[Any], source: int = -1) -> RankWork:
    """Come to a collective and go on; the result is waited for by the ``Work``."""
    ticket = caller_of(operation.name).perform(
        msgspec.structs.replace(operation, value=Message(operation.value, waits=False))
    )

    def wait() -> None:
        waiting = msgspec.structs.replace(operation, value=ticket)
        finish(_content(caller_of(operation.name).perform(waiting)))

    return RankWork(operation.name, tensors, wait, source)


def caller_of(name: str) -> Caller:
    """The rank that calls. Where C++ is on the stack no rank may go on before it returns: the call is refused."""
    caller = current()
    if caller is None:
        raise RuntimeError(f"torch.distributed: {name} on a group of a simulated rank, which does not run now")
    if torch._C._current_graph_task_id() != -1:
        refuse(caller, f"torch.distributed: {name} inside of a backward pass")
    return caller


def check_caller(name: str) -> None:
    """Refuse a call of a group's method that does not come from torch's Python."""
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__", "").startswith(_HERE) and frame.f_back is not None:
        frame = frame.f_back
    caller = current()
    if caller is not None and frame.f_globals.get("__name__") != _TORCHS_OWN:
        refuse(caller, f"torch.distributed: {name} that C++ issues, or code past the functions of the module")


def message(group: Any, source: int, destination: int, tag: int, data: bytes | None = None) -> Collective:
    """A message from one rank to another: a collective of the two, in which the receiver waits for the sender."""
    caller = current()
    if source == destination and caller is not None:
        refuse(caller, "torch.distributed: a message of a rank to itself")
    identity = identity_of(group.identity, source, destination, tag)
    return Collective("message", tuple(sorted((source, destination))), identity, data, source)


def _content(given: Any) -> Any:
    """What the engine gave: a message, those of all ranks, or nothing."""
    if isinstance(given, list):
        return [each.content for each in given]
    return given.content if isinstance(given, Message) else given
