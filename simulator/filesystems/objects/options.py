"""What kinds of object stores, and of ways to mount them, there are."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from simulator.filesystems.views.parameters import Count, Seconds


class ObjectOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an object store does.

    ``rename_file``: ``no`` (ENOSYS), ``copy`` (a copy under the new key, then a deletion: both are seen in between) or
    ``atomic``. ``rename_directory``: ``no``, ``many`` (EMFILE, as gcsfuse says to more objects than rename-dir-limit),
    ``loop`` (object by object, each as a file) or ``atomic``. ``overwrite``: an object that is there can be written
    anew; ``modify``: also in part; ``delete``: it can be deleted. ``directories``: a new one is ``local`` to the node
    until an object is in it, and gone with the last one; the same, but ``none`` is needed to put an object into it; or
    a ``marker`` that all see. ``sync``: an fsync does ``nothing``, or it ``completes`` the upload, after which nothing
    can be written. ``dies``: a process that dies ``publishes`` what it had written, since the kernel closes its files,
    or ``drops`` it. ``conflict``: of two that replace an object at a time, the later one ``wins``, or gets ESTALE
    (``stale``) when it closes or syncs, if another node has replaced or deleted the object. ``unfinished``: a file that
    a node has not closed yet cannot be renamed or removed (``hidden``), or it ``moves``: renamed, it is put under its
    key first; removed, it never is. ``symbolic_links``: there are such; hard links there never are.

    ``cache_seconds``: so long a node remembers what it found under a name; ``cache_negative``: also that it found
    nothing; ``stale`` bounds how many answers of an attempt are stale.
    """

    rename_file: Literal["no", "copy", "atomic"] = "copy"
    rename_directory: Literal["no", "many", "loop", "atomic"] = "no"
    overwrite: bool = True
    modify: bool = False
    delete: bool = True
    directories: Literal["local", "none", "marker"] = "local"
    sync: Literal["nothing", "completes"] = "nothing"
    dies: Literal["publishes", "drops"] = "drops"
    conflict: Literal["wins", "stale"] = "wins"
    unfinished: Literal["hidden", "moves"] = "hidden"
    symbolic_links: bool = False
    cache_seconds: Seconds = 0.0
    cache_negative: bool = True
    stale: Count | None = None


OBJECT_STORE: Final = ObjectOptions(directories="none")
"""Keys and whole objects, used by a library in the process: what all object stores can do."""

GCSFUSE: Final = ObjectOptions(
    rename_directory="many", modify=True, directories="marker", dies="publishes", conflict="stale", unfinished="moves",
    symbolic_links=True, cache_seconds=60.0,
)  # fmt: skip
"""A flat bucket mounted by gcsfuse with its defaults.

docs/semantics.md of gcsfuse: files are copied and deleted when renamed, directories are not renamed unless
rename-dir-limit allows it (``many``, issue 644), a file is final when it is closed and a sync does not make it so, stat
and type caches live for 60 seconds, also for what was not found. A file that is being written is finalized when it is
renamed; unlinked before it was ever closed, it is dropped (``Unlink`` in internal/fs/fs.go). Since 2.8 an object that
another mount has replaced or deleted is not written over: ESTALE (release notes of 2.8.0). A symbolic link is an object
that says so in its metadata (release notes of 3.9.0); here every node sees at once where it leads, though what lies
there may come from the cache."""

GCSFUSE_HNS: Final = ObjectOptions(
    rename_file="atomic", rename_directory="atomic", modify=True, directories="marker", dies="publishes",
    conflict="stale", unfinished="moves", symbolic_links=True, cache_seconds=60.0,
)  # fmt: skip
"""A bucket with a hierarchical namespace: as a flat one, but renames are atomic, of directories too (the same text)."""

MOUNTPOINT: Final = ObjectOptions(
    rename_file="no", overwrite=False, delete=False, sync="completes", dies="publishes", cache_seconds=1.0,
    cache_negative=False,
)  # fmt: skip
"""A general purpose bucket mounted by mountpoint-s3 with its defaults.

doc/SEMANTICS.md of mountpoint-s3: nothing can be renamed (ENOSYS), nothing overwritten without allow-overwrite
(``overwrite``) or deleted without allow-delete (``delete``), a file cannot be read before it is closed, a sync
completes the upload, a new directory is local until a file is uploaded into it, and what is known of an object that was
changed or deleted may be up to a second old, though listings are not."""
