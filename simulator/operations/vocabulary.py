"""The operations: what a rank can ask of the world, at the level of system calls.

Paths are strings relative to the root of the simulated file system, without a leading slash; ``""`` is the root
itself. Undecodable bytes are surrogate escapes, as ``os.fsdecode`` makes them. Where a system call takes a directory
descriptor, ``at`` is that descriptor (the path is then relative to it) and None otherwise. Descriptors are the
simulated ones, from 2**30 on. A ``target`` is a path, or a descriptor where the call takes one (fstat, ftruncate).

Each operation is one immutable record; what it did is not part of it (see ``trace.Event``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec


class Operation(msgspec.Struct, frozen=True, gc=False):
    """Base of all operations, so that ``isinstance`` and annotations have a name for them; never instantiated."""


class Extent(msgspec.Struct, frozen=True, gc=False):
    """File content that has a size but no bytes: what a 72B-shaped shard writes. Reads as zeros."""

    size: int

    def __len__(self) -> int:
        return self.size


class Open(Operation, frozen=True, gc=False):
    """open(2), openat(2); gives a descriptor."""

    path: str
    flags: int
    mode: int = 0o777
    at: int | None = None


class Close(Operation, frozen=True, gc=False):
    """close(2)."""

    fd: int


class Read(Operation, frozen=True, gc=False):
    """read(2), or pread(2) when ``offset`` is given; gives bytes. ``size`` below 0 reads to the end."""

    fd: int
    size: int
    offset: int | None = None


class Write(Operation, frozen=True, gc=False):
    """write(2), or pwrite(2) when ``offset`` is given; gives the number of bytes written."""

    fd: int
    data: bytes | Extent
    offset: int | None = None


class Seek(Operation, frozen=True, gc=False):
    """lseek(2); gives the new position.

    Touches only the rank's own open file description, so it is not scheduled; but from the end of the file it reads
    a size that another rank may be changing, and is.
    """

    fd: int
    offset: int
    whence: int = 0


class Dup(Operation, frozen=True, gc=False):
    """dup(2); gives a descriptor on the same open file description. Local to the rank."""

    fd: int


class Truncate(Operation, frozen=True, gc=False):
    """truncate(2) or ftruncate(2)."""

    target: str | int
    size: int


class Fsync(Operation, frozen=True, gc=False):
    """fsync(2), or fdatasync(2) when ``data_only``; on a directory's descriptor too."""

    fd: int
    data_only: bool = False


class Stat(Operation, frozen=True, gc=False):
    """stat(2), lstat(2) when not ``follow``, fstat(2) when the target is a descriptor; gives ``Attributes``."""

    target: str | int
    follow: bool = True
    at: int | None = None


class Access(Operation, frozen=True, gc=False):
    """access(2); gives True or False, never raises ENOENT."""

    path: str
    mode: int
    at: int | None = None
    follow: bool = True


class Readdir(Operation, frozen=True, gc=False):
    """One whole directory scan (opendir, getdents64, closedir); gives a tuple of (name, file type bits, inode)."""

    target: str | int


class Mkdir(Operation, frozen=True, gc=False):
    """mkdir(2)."""

    path: str
    mode: int = 0o777
    at: int | None = None


class Rmdir(Operation, frozen=True, gc=False):
    """rmdir(2)."""

    path: str
    at: int | None = None


class Unlink(Operation, frozen=True, gc=False):
    """unlink(2)."""

    path: str
    at: int | None = None


class Rename(Operation, frozen=True, gc=False):
    """rename(2), renameat(2)."""

    source: str
    target: str
    source_at: int | None = None
    target_at: int | None = None


class Link(Operation, frozen=True, gc=False):
    """link(2), linkat(2)."""

    source: str
    target: str
    source_at: int | None = None
    target_at: int | None = None
    follow: bool = False


class Symlink(Operation, frozen=True, gc=False):
    """symlink(2); ``text`` is stored as it stands, but a path below the root is stored relative to the root's path."""

    text: str
    path: str
    at: int | None = None


class Mkfifo(Operation, frozen=True, gc=False):
    """mkfifo(3): mknod(2) of a pipe with a name. Nobody opens it."""

    path: str
    mode: int = 0o666
    at: int | None = None


class Readlink(Operation, frozen=True, gc=False):
    """readlink(2); gives the link's text."""

    path: str
    at: int | None = None


class Chmod(Operation, frozen=True, gc=False):
    """chmod(2), fchmod(2)."""

    target: str | int
    mode: int
    follow: bool = True
    at: int | None = None


class Chown(Operation, frozen=True, gc=False):
    """chown(2), fchown(2), lchown(2); -1 leaves an identity as it is."""

    target: str | int
    uid: int
    gid: int
    follow: bool = True
    at: int | None = None


class Setxattr(Operation, frozen=True, gc=False):
    """setxattr(2), fsetxattr(2), removexattr(2) and what else is stored with a file by name; its value is not kept."""

    target: str | int
    name: str
    follow: bool = True
    at: int | None = None


class Utime(Operation, frozen=True, gc=False):
    """utimensat(2); ``times`` is (atime, mtime) in nanoseconds, or None for the present."""

    target: str | int
    times: tuple[int, int] | None = None
    follow: bool = True
    at: int | None = None


class Lock(Operation, frozen=True, gc=False):
    """flock(2), whole file. ``how`` are the bits of ``fcntl.LOCK_*``; blocks while another holder conflicts."""

    fd: int
    how: int


class Statvfs(Operation, frozen=True, gc=False):
    """statvfs(3), fstatvfs(3); gives the ten fields of ``os.statvfs_result``."""

    target: str | int


class Sleep(Operation, frozen=True, gc=False):
    """time.sleep: the rank's clock moves on. Always schedulable; PCT lowers the sleeper's priority."""

    seconds: float


class Message:
    """What a collective carries for code that knows itself what to make of it: ``torch.distributed``.

    One is as good as another, and none is in a trace: the numbers of a training are not what its schedule depends on,
    and often random. Who does not ``wait`` goes on with a ``Ticket``.
    """

    __slots__ = ("content", "waits")

    def __init__(self, content: Any, *, waits: bool = True) -> None:
        self.content = content
        self.waits = waits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message)

    def __hash__(self) -> int:
        return hash(Message)

    def __deepcopy__(self, memo: Any) -> Message:
        return self


class Ticket(msgspec.Struct, frozen=True):
    """The value of a ``Collective`` that waits for one that was begun: which of this rank's on the communicator."""

    position: int


class Collective(Operation, frozen=True, gc=False):
    """One rank's part in a collective. ``name`` is barrier, broadcast, gather, all_gather, all_reduce_max/min/sum.

    ``group`` is the communicator: the sorted tuple of its ranks and an identity, so that two communicators of the
    same ranks stay apart. Everyone waits for everyone, except in a broadcast, where the source waits for nobody and
    the others wait for the source only, and in a gather, where the destination waits for all and nobody else waits:
    that is all the data dependency there is, and code that relies on more is wrong on some backend. ``one`` is that
    source or destination. Other names are those of ``torch.distributed``, whose values are each a ``Message``.
    """

    name: str
    group: tuple[int, ...]
    group_id: int = 0
    value: Any = None
    one: int = 0


class Join(Operation, frozen=True, gc=False):
    """Waits for a background task of the same rank; gives what its function returned, or raises what it raised."""

    task: int


LOCAL: Final = frozenset({Seek, Dup})
"""Operations that touch only what the rank owns: carried out at once, without a scheduling point."""

FROM_ONE: Final = frozenset({"broadcast", "scatter", "message"})
"""Collectives in which all wait for the source, which waits for nobody."""

TO_ONE: Final = frozenset({"gather", "reduce"})
"""Collectives in which the destination waits for all, and nobody else waits."""

SYNCHRONISING: Final = frozenset({Collective, Join, Lock})
"""Operations that may have to wait for another task."""

CHANGING: Final = frozenset(
    {Write, Truncate, Mkdir, Mkfifo, Rmdir, Unlink, Rename, Link, Symlink, Chmod, Chown, Setxattr, Utime, Open}
)
"""Operations that can change what a restart would see (an Open creates and truncates)."""


def tries_again(operation: Operation) -> bool:
    """Whether Python calls again by itself when a signal interrupts the call (PEP 475): nobody sees EINTR then."""
    if isinstance(operation, Truncate | Stat | Chmod | Chown | Setxattr | Statvfs):
        return not isinstance(operation.target, str)
    return isinstance(operation, Open | Read | Write | Fsync | Lock)


def paths_of(operation: Operation) -> tuple[str, ...]:
    """The paths that an operation names, in the order of the system call's arguments; empty for descriptor calls."""
    found = []
    for field in ("path", "source", "target"):
        value = getattr(operation, field, None)
        if isinstance(value, str):
            found.append(value)
    return tuple(found)


def summarise(operation: Operation) -> tuple[str, list[Any]]:
    """Name and arguments of an operation in the form that traces keep: plain values, bytes as size and digest."""
    return type(operation).__name__.lower(), [_plain(getattr(operation, f)) for f in operation.__struct_fields__]


_INTEGERS: Final = frozenset({int})
_DESCRIPTORS: Final = frozenset({"fd", "target", "at", "source_at", "target_at"})
_CONTENT: Final = re.compile(r"\d{1,18} bytes( .*)?", re.ASCII)


@cache
def _recorded() -> dict[str, list[tuple[str, Any, bool]]]:
    """By the name of each operation its fields, each with its type in a trace, and whether it may be absent."""
    found = {}
    for kind in Operation.__subclasses__():
        fields = []
        for field in msgspec.structs.fields(kind):
            allowed = field.type
            if field.name in _DESCRIPTORS:
                allowed = allowed | str  # As ``fd3``.
            elif kind is Write and field.name == "data":
                allowed = str
            elif kind is Utime and field.name == "times":
                allowed = str | list[int] | None
            fields.append((field.name, allowed, not field.required))
        found[kind.__name__.lower()] = fields
    return found


def check_summary(name: str, arguments: Sequence[Any]) -> None:
    """Raise ValueError, saying what is wrong, for a name and arguments that ``summarise`` cannot have given."""
    fields = _recorded().get(name)
    if fields is None:
        raise ValueError(f"there is no operation {name!r}")
    least = sum(not optional for _, _, optional in fields)
    if not least <= len(arguments) <= len(fields):
        raise ValueError(f"{name} has {least} to {len(fields)} arguments, not {len(arguments)}")
    for (field, allowed, _), value in zip(fields, arguments, strict=False):
        try:
            msgspec.convert(value, allowed)
        except msgspec.ValidationError as error:
            raise ValueError(f"{name}, {field}: {error}") from error
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError(f"{name}, {field}: a number of more than 64 bits")
        if field == "data" and _CONTENT.fullmatch(value) is None:
            raise ValueError(f"{name}, {field}: is not the size of a content, {value!r}")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        raw = bytes(value)
        return f"{len(raw)} bytes {hashlib.blake2b(raw, digest_size=6).hexdigest()}"
    if isinstance(value, Extent):
        return f"{value.size} bytes sparse"
    if isinstance(value, str):
        # Undecodable bytes are lone surrogates, which no JSON holds.
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, tuple | list):
        # Every rank's step in a collective names all its ranks: those are copied at once.
        return list(value) if set(map(type, value)) == _INTEGERS else [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    # No repr here: that of an arbitrary object may hold its address, which differs from run to run.
    return f"<{type(value).__name__}>"
