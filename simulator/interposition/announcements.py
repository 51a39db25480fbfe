"""What a program's own Python announces by looking at a path that nobody has: its collectives, and where it is."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from simulator.interposition import arguments
from simulator.interposition.listener import Held
from simulator.interposition.python_layout import Described
from simulator.interposition.system_calls import Signature
from simulator.interposition.target.ckptrace_saying import PREFIX

_PREFIX: Final = PREFIX.encode()
_CALLS: Final = frozenset({"access", "faccessat", "faccessat2"})


class Announcement(msgspec.Struct, frozen=True, tag="meeting", tag_field="kind"):
    """A thread comes to a collective, or is ``back`` from it; see ``trace.Meeting``."""

    name: str
    waits: str
    group: tuple[int, ...]
    identity: str
    one: int | None
    back: bool


class Raised(msgspec.Struct, frozen=True, tag="raised", tag_field="kind"):
    """An exception ends the program; it came from ``site``, ``file:line``."""

    site: str


Said: TypeAlias = Announcement | Raised | Described


def announced(held: Held, signature: Signature) -> Said | None:
    """What a held call announces; None for one that is just a call."""
    if signature.name not in _CALLS:
        return None
    path = arguments.text_at(held.thread, held.arguments[signature.paths[0].argument])
    if path is None or not path.startswith(_PREFIX):
        return None
    try:
        said: Said = msgspec.json.decode(path[len(_PREFIX) :], type=Announcement | Raised | Described)
    except msgspec.DecodeError:
        return None
    return said
