"""The profiles as data: what each file system is, what can be set of it, and which layers it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from simulator.clock import SECOND
from simulator.errors import UsageError
from simulator.filesystems.objects.layer import Objects
from simulator.filesystems.objects.options import GCSFUSE, GCSFUSE_HNS, MOUNTPOINT, OBJECT_STORE, ObjectOptions
from simulator.filesystems.objects.stat_cache import StatCache
from simulator.filesystems.views.devices import Devices
from simulator.filesystems.views.flocks import Flocks, Kind
from simulator.filesystems.views.lagging import Lagging
from simulator.filesystems.views.layers import Decisions, Journal, Layer, Server
from simulator.filesystems.views.local_appends import LocalAppends
from simulator.filesystems.views.nfs.clients import Clients
from simulator.filesystems.views.nfs.knowledge import Mount
from simulator.filesystems.views.nfs.layer import Nfs
from simulator.filesystems.views.parameters import AS_IS, Count, Nothing, Seconds, Variations
from simulator.filesystems.views.unreliable_times import UnreliableTimes
from simulator.filesystems.views.variations import Strong


class Parts(msgspec.Struct):
    """What a profile is made of: the server, and what its layers share; how many nodes there are, and ranks on each."""

    server: Server
    decisions: Decisions
    journal: Journal
    nodes: int
    ranks_per_node: int


class Profile(msgspec.Struct, frozen=True):
    """A profile: what it is in one line, its options with their defaults, and its layers.

    ``layer`` is given the parts and the options. ``over_disk``: what lies below is a file system on a disk, whose crash
    model applies.
    """

    about: str
    options: msgspec.Struct
    layer: Callable[[Parts, Any], Layer]
    variations: Variations = AS_IS
    over_disk: bool = True


class Late(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``lag``: other nodes see a changed name at most so many seconds later; ``stale`` bounds how often they do."""

    lag: Seconds = 1.0
    stale: Count | None = None


class Parallel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """BeeGFS: ``lag`` as of its entry cache, about a second.

    ``global_locks`` and ``global_appends`` are tuneUseGlobalFileLocks and tuneUseGlobalAppendLocks of its client, both
    off by default (its Config.c).
    """

    lag: Seconds = 1.0
    stale: Count | None = None
    global_locks: bool = False
    global_appends: bool = False


class Lustre(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``locks``: the mount option ``flock``, ``localflock`` or ``noflock``."""

    locks: Kind = "flock"


class Times(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``made_up`` bounds how many stats of directories give a time that is made up."""

    made_up: Count | None = None


class Mounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``devices``: directories of the root that are devices of their own, with commas between them."""

    devices: str = "tmp"


def strong(parts: Parts, options: Nothing) -> Layer:
    """No view: the server itself."""
    return Strong(parts.server)


def _nfs(parts: Parts, options: Mount) -> Layer:
    return Nfs(Clients(parts.server, parts.decisions, parts.journal, options, parts.nodes, parts.ranks_per_node))


def _late(parts: Parts, options: Late | Parallel) -> Layer:
    lag = round(options.lag * SECOND)
    return Lagging(parts.server, Strong(parts.server), parts.decisions, parts.journal, parts.ranks_per_node, lag)


def _beegfs(parts: Parts, options: Parallel) -> Layer:
    layer = _late(parts, options)
    if not options.global_appends:
        layer = LocalAppends(parts.server, layer, parts.decisions, parts.journal, parts.ranks_per_node)
    return Flocks(parts.server, layer, parts.ranks_per_node, "flock" if options.global_locks else "localflock")


def _lustre(parts: Parts, options: Lustre) -> Layer:
    return Flocks(parts.server, Strong(parts.server), parts.ranks_per_node, options.locks)


def _fuse_mtime(parts: Parts, options: Times) -> Layer:
    return UnreliableTimes(Strong(parts.server), parts.decisions)


def _cross_device(parts: Parts, options: Mounts) -> Layer:
    mounts = [mount.strip() for mount in options.devices.split(",") if mount.strip()]
    if any("/" in mount for mount in mounts):
        raise UsageError(
            f"filesystem.options.devices: must be names of directories of the root, is {options.devices!r}"
        )
    return Devices(parts.server, Strong(parts.server), mounts)


def _objects(parts: Parts, options: ObjectOptions) -> Layer:
    store = Objects(parts.server, parts.journal, parts.ranks_per_node, options)
    if not options.cache_seconds:
        return store
    lifetime = round(options.cache_seconds * SECOND)
    return StatCache(store, parts.decisions, parts.journal, parts.ranks_per_node, lifetime, options.cache_negative)


PROFILES: Mapping[str, Profile] = {
    "local": Profile("the disk of one machine: strong, everybody sees the same", Nothing(), strong),
    "shared": Profile("one strong tree for all nodes", Nothing(), strong),
    "nfs": Profile(
        "a server that each node sees through the caches of a Linux NFS client",
        Mount(),
        _nfs,
        Variations(rename_over="either"),
    ),
    "meta-stale": Profile(
        "a parallel file system whose nodes see changed names late, though the server goes by them", Late(), _late
    ),
    "beegfs": Profile("as meta-stale; file locks and appends are of each node by itself", Parallel(), _beegfs),
    "lustre": Profile("strong, with file locks as it is mounted", Lustre(), _lustre),
    "fuse-mtime": Profile("an object store mounted by FUSE: times of directories are made up", Times(), _fuse_mtime),
    "object-store": Profile("keys and whole objects, written by a library", OBJECT_STORE, _objects, over_disk=False),
    "gcsfuse": Profile(
        "a flat bucket mounted by gcsfuse: directories cannot be renamed", GCSFUSE, _objects, over_disk=False
    ),
    "gcsfuse-hns": Profile(
        "a bucket with a hierarchical namespace, mounted by gcsfuse", GCSFUSE_HNS, _objects, over_disk=False
    ),
    "mountpoint-s3": Profile(
        "an S3 bucket mounted by mountpoint-s3: nothing can be renamed", MOUNTPOINT, _objects, over_disk=False
    ),
    "cross-device": Profile(
        "the directory tmp is another device: nothing can be renamed to it", Mounts(), _cross_device
    ),
}
