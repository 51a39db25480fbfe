"""What a file system promises to keep when the power fails, as data: one profile for each that is known.

A profile says which micro-operations may be lost or overtake each other. Sources: the abstract persistence models of
ALICE (Pillai et al., OSDI 2014, tables 2 and 3), the axioms of Ferrite (Bornholt et al., ASPLOS 2016, definition 7),
fsync(2), the kernel's documentation of ext4 (``auto_da_alloc``, ``data=ordered``), fs/nfs/dir.c (``nfs_fsync_dir``),
exports(5), and outcomes of crashes on Linux 6.18, which the tests repeat. Where these leave something open, a profile
promises less.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from simulator.errors import UsageError


class Persistence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is promised. Everything that is not promised may happen.

    ``names``: changes of names among each other are ``free``, become durable in ``one-order``, or are ``synchronous``,
    that is durable when the call returns. ``atomic_rename``: of a rename, all or nothing becomes durable; without it,
    its old name may go and its new name come in either order. ``metadata_in_order``: the changes of one file's
    size, and of its mode, become durable in their order, data written after a truncation not before it, and writes of
    one block in their order. ``size``: a file's new size may become durable before the data (``free``), before the
    last block only (``before-last-block``), or after all of the data (``after-data``). ``data_before_replacement``: a
    rename over an existing file waits for the data of the renamed file. ``data_before_truncation``: a truncation to
    nothing waits for what is written until the file is closed, unless a commit may come between the two: one comes
    with a sync where ``names`` are in one order, and every ``commit_seconds``.

    ``fsync`` of a file makes its own data, size and mode durable, and of names ``nothing``, its ``own`` ones, or
    ``all`` earlier changes of names. ``fsync_directory`` makes ``nothing`` durable, the directory's ``own`` entries,
    or ``all`` earlier changes of names; never data. ``close_commits``: closing a file is as good as syncing its data,
    for what the closing node wrote.
    """

    name: str
    names: Literal["free", "one-order", "synchronous"] = "free"
    atomic_rename: bool = True
    metadata_in_order: bool = True
    size: Literal["free", "before-last-block", "after-data"] = "free"
    data_before_replacement: bool = False
    data_before_truncation: bool = False
    commit_seconds: float = 30.0
    fsync: Literal["nothing", "own", "all"] = "nothing"
    fsync_directory: Literal["nothing", "own", "all"] = "own"
    close_commits: bool = False


PROFILES: Final = {
    profile.name: profile
    for profile in (
        Persistence("posix-min", metadata_in_order=False),
        Persistence(
            "ext4",
            names="one-order",
            size="before-last-block",
            data_before_replacement=True,
            data_before_truncation=True,
            commit_seconds=5.0,
            fsync="all",
            fsync_directory="all",
        ),
        Persistence("xfs", names="one-order", size="after-data", fsync="all", fsync_directory="all"),
        Persistence(
            "btrfs",
            size="after-data",
            data_before_replacement=True,
            data_before_truncation=True,
            fsync="own",
        ),
        Persistence("nfs", names="synchronous", metadata_in_order=False, fsync_directory="nothing", close_commits=True),
    )
}
"""``posix-min`` is what no file system falls short of: only a sync makes anything durable, a file's data by the file's,
a name by its directory's. That a rename is atomic is taken for granted there too, since a replacement that is not has
been seen on none of the journaling and copy-on-write file systems; ``{"atomic_rename": false}`` takes it away. ``ext4``
has data=ordered, delayed allocation and auto_da_alloc, the defaults. ``nfs`` is a server that exports ``sync``: names
are durable at once, data is in the client's cache until it is closed or synced."""


def persistence_named(name: str, options: dict[str, Any] | None = None) -> Persistence:
    """A profile by name, with single promises changed. Raises UsageError, naming the key, for what is unknown."""
    profile = PROFILES.get(name)
    if profile is None:
        raise UsageError(f"filesystem.persistence: unknown profile {name!r}; known are {', '.join(sorted(PROFILES))}")
    if not options:
        return profile
    if "name" in options:
        raise UsageError("filesystem.persistence_options: a profile's name is no option")
    try:
        return msgspec.convert({**msgspec.structs.asdict(profile), **options}, Persistence)
    except msgspec.ValidationError as error:
        known = ", ".join(field for field in Persistence.__struct_fields__ if field != "name")
        raise UsageError(f"filesystem.persistence_options: {error}; there are {known}") from error
