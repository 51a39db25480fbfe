"""What a file system promises to keep when the power fails, as data: one profile for each that is known.

A profile says which micro-operations may be lost or overtake each other. Sources: the abstract persistence models of
ALICE (Pillai et al., OSDI 2014, tables 2 and 3), the axioms of Ferrite (Bornholt et al., ASPLOS 2016, definition 7),
fsync(2), the kernel's documentation of ext4 (``auto_da_alloc``, ``data=ordered``), fs/nfs/dir.c (``nfs_fsync_dir``),
exports(5), and outcomes of crashes on Linux 6.18, which the tests repeat. Where these leave something open, a profile
promises less.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

from simulator.errors import UsageError


class Persistence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is promised. Everything that is not promised may happen.

    ``names``: changes of names among each other are ``free``, become durable in ``one-order``, or are ``synchronous``,
    that is durable when the call returns. ``rename``: ``atomic``, all of it becomes durable or nothing;
    ``atomic-if-synced``, which holds for a directory, and for a file that was synced not long before: of others the new
    name may come before the old one goes, and an old name that is itself not committed may go first; ``torn``, the old
    name may go and the new one come in either order. ``metadata_in_order``: the changes of one file's size, and of
    its mode, become durable in their order, data written after a truncation not before it, but for the block in which
    it ends, and writes of one block in their order. ``size``: a file's new size may become durable before the data,
    which then reads as zeros (``free``), or only ``after-data``. ``data_before_replacement``: a rename over an
    existing file waits for the size and the data of the renamed file, or (``size``) for the size only.
    ``data_before_truncation``: a truncation to nothing waits likewise for what is written until the file is closed,
    unless a commit may come between the two: every ``commit_seconds`` one does. A commit that a sync forces waits for
    no data.

    ``block_bytes`` reach the disk together, or not at all; what is cut off of a block is overwritten with zeros. The
    blocks of one write are lost one by one up to ``blocks_apart``; those of a larger one, in so many groups. (An
    ``Extent``, which has no content, in three: only its size can tell.)

    ``fsync`` of a file makes its own data, size and mode durable, and of names ``nothing``, its ``own`` ones, or
    ``all`` that changed before its own last change: a commit takes along what came before it, but there is none where
    the file has not changed. ``fsync_directory`` makes ``nothing`` durable, the directory's ``own`` entries, or ``all``
    changes of names before the last one in it; never data. ``close_commits``: to close a file is as good as to sync its
    data, for what the closing node wrote.
    """

    name: str
    names: Literal["free", "one-order", "synchronous"] = "free"
    rename: Literal["atomic", "atomic-if-synced", "torn"] = "atomic"
    metadata_in_order: bool = True
    size: Literal["free", "after-data"] = "free"
    data_before_replacement: bool | Literal["size"] = False
    data_before_truncation: bool | Literal["size"] = False
    commit_seconds: float = 30.0
    block_bytes: Annotated[int, msgspec.Meta(ge=512)] = 4096
    blocks_apart: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    fsync: Literal["nothing", "own", "all"] = "nothing"
    fsync_directory: Literal["nothing", "own", "all"] = "own"
    close_commits: bool = False


PROFILES: Final = {
    profile.name: profile
    for profile in (
        Persistence("posix-min", rename="atomic-if-synced", metadata_in_order=False),
        Persistence(
            "ext4",
            names="one-order",
            data_before_replacement="size",
            data_before_truncation="size",
            commit_seconds=5.0,
            fsync="all",
            fsync_directory="all",
        ),
        Persistence("xfs", names="one-order", size="after-data", fsync="all", fsync_directory="all"),
        Persistence(
            "btrfs",
            rename="atomic-if-synced",
            metadata_in_order=False,
            fsync="own",
        ),
        Persistence("nfs", names="synchronous", metadata_in_order=False, fsync_directory="nothing", close_commits=True),
    )
}
"""``posix-min`` is what no file system falls short of: only a sync makes anything durable, a file's data by the file's,
a name by its directory's. That the rename of a synced file is atomic is taken for granted there too, since no crash has
shown anything else; ``{"rename": "torn"}`` takes it away. ``ext4`` has data=ordered, delayed allocation,
auto_da_alloc and dioread_nolock, the defaults: blocks are allocated unwritten, so that no commit waits for their data
(``ext4_map_blocks`` puts no such inode on the list of ordered data), and a file that replaces another one, or is
written again after a truncation, may have its size and read as zeros. On ``btrfs`` a commit that comes while data is
still on its way was seen to leave such files empty, and a size that changes last to be there without the truncation
before it, or without data before it (with no-holes, a default, ``btrfs_inode_safe_disk_i_size_write`` takes the size as
it is). There the sync of a directory was seen to bring the new name of an unsynced file and
leave the old one, and the sync of any file to take a name away and leave out what had replaced it. ``nfs`` is a server
that exports ``sync``: names are durable at once, data is in the client's cache until it is closed or synced."""


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
