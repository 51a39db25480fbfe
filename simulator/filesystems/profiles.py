"""File systems by the name of their profile, as scenarios and the command line name them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from simulator.errors import UsageError
from simulator.filesystems.posix.model import PosixModel
from simulator.filesystems.views.decisions import Decisions
from simulator.filesystems.views.journal import Journal
from simulator.filesystems.views.layers import Layer, LayeredFilesystem
from simulator.filesystems.views.nfs.clients import Clients
from simulator.filesystems.views.nfs.layer import Nfs
from simulator.filesystems.views.nfs.mount import Mount
from simulator.filesystems.views.parameters import AS_IS, Nothing, Variations, options_of
from simulator.filesystems.views.server import Server
from simulator.filesystems.views.variations import Strong, Varied


class Parts(msgspec.Struct):
    """What a profile is made of: the server, and what its layers share; how many nodes there are, and ranks on each."""

    server: Server
    decisions: Decisions
    journal: Journal
    nodes: int
    ranks_per_node: int


class Profile(msgspec.Struct, frozen=True):
    """A profile: what it is in one line, its options and their defaults where they are not as is, and its layers.

    ``layer`` is given the parts and the options.
    """

    about: str
    options: type[msgspec.Struct]
    layer: Callable[[Parts, Any], Layer]
    variations: Variations = AS_IS


def _strong(parts: Parts, options: Nothing) -> Layer:
    return Strong(parts.server)


def _nfs(parts: Parts, options: Mount) -> Layer:
    return Nfs(Clients(parts.server, parts.decisions, parts.journal, options, parts.nodes, parts.ranks_per_node))


PROFILES: Mapping[str, Profile] = {
    "local": Profile("the disk of one machine: strong, everybody sees the same", Nothing, _strong),
    "shared": Profile("one strong tree for all nodes", Nothing, _strong),
    "nfs": Profile(
        "a server that each node sees through the caches of a Linux NFS client",
        Mount,
        _nfs,
        Variations(rename_over="either"),
    ),
}

WITNESS = "pyfakefs"
"""Another implementation of a strong file system; it has no options."""


def names() -> list[str]:
    """All profiles, by name."""
    return sorted([*PROFILES, WITNESS])


def options_of_profile(name: str) -> dict[str, Any]:
    """The options of a profile, each with its default."""
    profile = PROFILES[name]
    return {**msgspec.structs.asdict(profile.options()), **msgspec.structs.asdict(profile.variations)}


def server_of(name: str) -> str:
    """The profile of what lies below the views of a profile: of the model, or of the other implementation itself."""
    return WITNESS if name == WITNESS else "shared"


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
    if name == WITNESS:
        if options:
            raise UsageError(f"filesystem.options: the profile {name} has none")
        from simulator.filesystems.pyfakefs import PyfakefsFilesystem

        return PyfakefsFilesystem()
    profile = PROFILES.get(name)
    if profile is None:
        raise UsageError(f"filesystem.profile: unknown profile {name!r}; known are {', '.join(names())}")
    own, variations = options_of(profile.options, options or {}, profile.variations)
    if server is None:
        server = PosixModel()
    if profile.layer is _strong and variations == AS_IS:
        return server
    parts = Parts(server, Decisions(server), Journal(), nodes, ranks_per_node)
    layer = profile.layer(parts, own)
    if variations.varies:
        layer = Varied(server, layer, parts.decisions, parts.journal, variations)
    bounds = {"variations": variations.variations if variations.chooses else 0}
    bounds |= {group: getattr(own, group) for group in ("stale", "resent", "timeouts") if hasattr(own, group)}
    return LayeredFilesystem(server, layer, parts.decisions, parts.journal, bounds)
