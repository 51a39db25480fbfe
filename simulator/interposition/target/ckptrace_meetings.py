"""Announces the collectives of torch.distributed to the supervisor, so that it knows which operations they order.

Only what a collective really orders is said. Where its call returns before the others have come (on devices, with
``async_op``, on ranks that only send), that it returned is not.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Sequence
from typing import Any

import ckptrace_saying

_MODULE = "torch.distributed.distributed_c10d"

# Who must have come before whom goes on. "all": everybody before everybody; "from": the source before the others;
# "to": everybody before the destination.
_WAITS = {
    "barrier": "all",
    "monitored_barrier": "all",
    "all_reduce": "all",
    "all_reduce_coalesced": "all",
    "all_gather": "all",
    "all_gather_into_tensor": "all",
    "all_gather_coalesced": "all",
    "all_gather_object": "all",
    "reduce_scatter": "all",
    "reduce_scatter_tensor": "all",
    "all_to_all": "all",
    "all_to_all_single": "all",
    "broadcast": "from",
    "broadcast_object_list": "from",
    "scatter": "from",
    "scatter_object_list": "from",
    "reduce": "to",
    "gather": "to",
    "gather_object": "to",
}
_WAITS_EVERYWHERE = ("barrier", "monitored_barrier", "all_gather_object")
_WAITING_BACKENDS = ("gloo", "mpi")


class _Announcing:
    """What this process announces."""

    def __init__(self) -> None:
        self.watches = False
        self.inside = threading.local()


_STATE = _Announcing()


def watch() -> None:
    """Wrap the collectives as soon as they are imported."""
    if not _STATE.watches:
        _STATE.watches = True
        sys.addaudithook(_audited)
    wrap()


def wrap() -> None:
    """Wrap those collectives that are there and are not wrapped yet."""
    module = sys.modules.get(_MODULE)
    if module is None:
        return
    above = sys.modules.get("torch.distributed")
    for name, waits in _WAITS.items():
        original = module.__dict__.get(name)
        if original is None or getattr(original, "_ckptrace_announces", False):
            continue
        announcing = _announcing(module, name, waits, original)
        for holder in (module, above):
            if holder is not None and holder.__dict__.get(name) is original:
                setattr(holder, name, announcing)


def _audited(event: str, arguments: Sequence[Any]) -> None:
    if event == "import":
        wrap()


def _announcing(module: Any, name: str, waits: str, original: Any) -> Any:
    @functools.wraps(original)
    def collective(*arguments: Any, **named: Any) -> Any:
        # One collective may be made of others, which say nothing that it does not.
        if not ckptrace_saying.is_armed() or getattr(_STATE.inside, "one", False):
            return original(*arguments, **named)
        _STATE.inside.one = True
        try:
            said = _about(module, name, waits, original, arguments, named)
            if said is not None:
                _say(dict(said, back=False))
            result = original(*arguments, **named)
            if said is not None and said["returns"]:
                _say(dict(said, back=True))
            return result
        finally:
            _STATE.inside.one = False

    collective._ckptrace_announces = True  # type: ignore[attr-defined]
    return collective


def _about(
    module: Any, name: str, waits: str, original: Any, arguments: Sequence[Any], named: dict[str, Any]
) -> dict[str, Any] | None:
    """What is said of a call; None where nothing certain can be, or the rank is not part of it."""
    try:
        given = inspect.signature(original).bind(*arguments, **named)
        given.apply_defaults()
        group = given.arguments.get("group")
        ranks = [int(rank) for rank in module.get_process_group_ranks(group)]
        rank = int(module.get_rank())
        if rank not in ranks:
            return None
        one = None
        if waits != "all":
            one = _one(given.arguments, ranks, "src" if waits == "from" else "dst")
            if one is None:
                return None
        waiting = name in _WAITS_EVERYWHERE or str(module.get_backend(group)) in _WAITING_BACKENDS
        returns = waiting and not given.arguments.get("async_op", False) and (waits != "to" or rank == one)
        identity = str(getattr(group, "group_name", "")) if group is not None else ""
    except Exception:
        return None  # The call itself will say what is wrong with it.
    return {"name": name, "waits": waits, "group": ranks, "identity": identity, "one": one, "returns": returns}


def _one(given: dict[str, Any], ranks: Sequence[int], kind: str) -> int | None:
    """The source or destination, as a rank of the job."""
    in_group = given.get("group_" + kind)
    if in_group is not None:
        return ranks[int(in_group)]
    known = given.get(kind)
    return ranks[0] if known is None else int(known)


def _say(what: dict[str, Any]) -> None:
    ckptrace_saying.say("meeting", **{key: value for key, value in what.items() if key != "returns"})
