"""File systems by the name of their profile, as scenarios and the command line name them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from simulator.errors import UsageError
from simulator.filesystems.catalogue import PROFILES, Parts, strong
from simulator.filesystems.per_node import PerNodeDisks
from simulator.filesystems.posix.model import PosixModel
from simulator.filesystems.views.layers import Decisions, Journal, LayeredFilesystem, Server
from simulator.filesystems.views.parameters import AS_IS, options_of
from simulator.filesystems.views.variations import Varied

PER_NODE = "per-node"
"""A disk of its own on each node; it has no options."""

WITNESS = "pyfakefs"
"""Another implementation of a strong file system; it has no options."""

_BOUNDED = ("stale", "resent", "timeouts", "made_up")
"""Options that are the bound of a group of choices."""

_WITHOUT_OPTIONS: Mapping[str, str] = {
    PER_NODE: "each node has a disk of its own",
    WITNESS: "another implementation of a strong file system, as a witness",
}


def names() -> list[str]:
    """All profiles, by name."""
    return sorted([*PROFILES, *_WITHOUT_OPTIONS])


def about(name: str) -> str:
    """What a profile is, in one line."""
    return _WITHOUT_OPTIONS[name] if name in _WITHOUT_OPTIONS else PROFILES[name].about


def options_of_profile(name: str) -> dict[str, Any]:
    """The options of a profile, each with its default."""
    if name in _WITHOUT_OPTIONS:
        return {}
    profile = PROFILES[name]
    return {**msgspec.structs.asdict(profile.options), **msgspec.structs.asdict(profile.variations)}


def server_of(name: str) -> str:
    """The profile of what lies below the views of a profile: of the model, or of what has no disk below it."""
    known = PROFILES.get(name)
    return "shared" if known is not None and known.over_disk else name


def by_profile(
    name: str,
    options: Mapping[str, Any] | None = None,
    *,
    nodes: int = 1,
    ranks_per_node: int = 1,
    server: Server | None = None,
) -> Any:
    """An empty file system of a profile, over ``server`` where one is given.

    Raises UsageError for an unknown name or option. Where all nodes see what there is, and nothing of it varies, it is
    the server itself.
    """
    if name in _WITHOUT_OPTIONS and options:
        raise UsageError(f"filesystem.options: the profile {name} has none")
    if name == PER_NODE:
        return PerNodeDisks(nodes, ranks_per_node)
    if name == WITNESS:
        from simulator.filesystems.pyfakefs import PyfakefsFilesystem

        return PyfakefsFilesystem()
    profile = PROFILES.get(name)
    if profile is None:
        raise UsageError(f"filesystem.profile: unknown profile {name!r}; known are {', '.join(names())}")
    own, variations = options_of(profile.options, options or {}, profile.variations)
    if server is None:
        server = PosixModel()
    server.tree.ranks_per_node = ranks_per_node
    if profile.layer is strong and variations == AS_IS:
        return server
    parts = Parts(server, Decisions(server), Journal(), nodes, ranks_per_node)
    layer = profile.layer(parts, own)
    if variations.varies:
        layer = Varied(server, layer, parts.decisions, parts.journal, variations)
    bounds = {"variations": variations.variations if variations.chooses else 0}
    bounds |= {group: getattr(own, group) for group in _BOUNDED if hasattr(own, group)}
    return LayeredFilesystem(server, layer, parts.decisions, parts.journal, bounds)
