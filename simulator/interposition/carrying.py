"""Carries a held call out and lets its caller go on, so that what became of it is known.

Calls that change names are made here instead of by the caller: the same call with the same arguments, its paths made
absolute, and the caller's umask. Their outcome is then exact, flags included. Opened descriptors are handed in. Calls
that move data, or that answer into the caller's memory, are made by the caller itself; of these, what is noted is what
was so just before, which is the same as long as nobody else in the directory goes on meanwhile.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any, Final

import msgspec

from simulator.filesystems import Attributes
from simulator.interposition import arguments
from simulator.interposition.listener import Held, Listener
from simulator.interposition.system_calls import Signature
from simulator.interposition.threads import umask_of
from simulator.interposition.watching import Watched
from simulator.operations import AccessCheck, Open, Readdir, Readlink, Stat, Write

_HERE: Final = (1 << 64) - 100
"""AT_FDCWD as a register holds it."""

_LIBRARY: Final = ctypes.CDLL(None, use_errno=True)

_MADE_HERE: Final = frozenset(
    {
        "open", "creat", "openat", "openat2", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "unlink",
        "unlinkat", "link", "linkat", "symlink", "symlinkat", "truncate", "chmod", "fchmodat", "fchmodat2",
    }
)  # fmt: skip
_SIZE_OF_HOW: Final = 24
"""``struct open_how`` of openat2(2)."""


class Outcome(msgspec.Struct, frozen=True):
    """What a call gave: a value, or the errno with which it failed. ``descriptor`` is the caller's new one, if any."""

    value: Any = None
    error: int = 0
    descriptor: int | None = None


def carry_out(listener: Listener, held: Held, signature: Signature, watched: Watched) -> Outcome:
    """Carry out a held call that is about the watched directory, and let its caller go on."""
    if signature.name in _MADE_HERE:
        return _made_here(listener, held, signature, watched)
    outcome = _looked_up(held, watched)
    listener.let_go(held)
    return outcome


def _made_here(listener: Listener, held: Held, signature: Signature, watched: Watched) -> Outcome:
    given = list(held.arguments)
    # What the arguments point to must live until the call has been made.
    kept = []
    for path, text in zip(signature.paths, watched.paths, strict=True):
        own = _as_seen_from_here(text, held.thread)
        kept.append(ctypes.create_string_buffer(own))
        given[path.argument] = ctypes.addressof(kept[-1])
        if path.directory is not None:
            given[path.directory] = _HERE
    if signature.name.startswith("symlink"):
        kept.append(ctypes.create_string_buffer(arguments.text_at(held.thread, held.arguments[0]) or b""))
        given[0] = ctypes.addressof(kept[-1])
    elif signature.name == "openat2":
        how = arguments.bytes_at(held.thread, held.arguments[2], _SIZE_OF_HOW)
        if how is None:
            listener.refuse(held, errno.EFAULT)
            return Outcome(error=errno.EFAULT)
        kept.append(ctypes.create_string_buffer(how, _SIZE_OF_HOW))
        given[2], given[3] = ctypes.addressof(kept[-1]), _SIZE_OF_HOW
    mask = umask_of(held.thread)
    before = os.umask(0o022 if mask is None else mask)
    try:
        value = _LIBRARY.syscall(held.number, *(ctypes.c_ulong(argument) for argument in given))
        number = ctypes.get_errno() if value < 0 else 0
    finally:
        os.umask(before)
    if number:
        listener.refuse(held, number)
        return Outcome(error=number)
    if not isinstance(watched.operation, Open):
        listener.answer(held, value)
        return Outcome()
    os.set_inheritable(value, False)
    theirs = listener.hand_in(held, value, bool(watched.operation.flags & os.O_CLOEXEC))
    os.close(value)
    return Outcome(descriptor=theirs)


def _as_seen_from_here(path: bytes, thread: int) -> bytes:
    """A path of a caller: what is its own in /proc is another's here."""
    for own, place in ((b"/proc/self/", b"/proc/%d/"), (b"/dev/fd/", b"/proc/%d/fd/")):
        if path.startswith(own):
            return place % thread + path[len(own) :]
    return path


def _looked_up(held: Held, watched: Watched) -> Outcome:
    """What a call that the caller makes will give, as it is now."""
    operation = watched.operation
    path = watched.paths[0] if watched.paths else None
    if path is None and isinstance(operation, Stat):
        path = b"/proc/%d/fd/%d" % (held.thread, arguments.descriptor_of(held.arguments[0]))
    elif path is None and isinstance(operation, Readdir):
        path = arguments.opened_on(held.thread, arguments.descriptor_of(held.arguments[0]))
    try:
        if isinstance(operation, Write):
            return Outcome(len(operation.data))
        if path is None:
            return Outcome()
        if isinstance(operation, Stat):
            return Outcome(_attributes(os.stat(path, follow_symlinks=operation.follow)))
        if isinstance(operation, AccessCheck):
            return Outcome(os.access(path, operation.mode))
        if isinstance(operation, Readlink):
            return Outcome(os.fsdecode(os.readlink(path)))
        if isinstance(operation, Readdir):
            with os.scandir(path) as entries:
                names = sorted(
                    (os.fsdecode(entry.name), entry.stat(follow_symlinks=False).st_mode) for entry in entries
                )
            return Outcome(tuple((name, mode & 0o170000, 0) for name, mode in names))
    except OSError as error:
        return Outcome(error=error.errno or errno.EIO)
    return Outcome()


def _attributes(found: os.stat_result) -> Attributes:
    return Attributes(
        found.st_mode,
        found.st_ino,
        found.st_nlink,
        found.st_size,
        found.st_uid,
        found.st_gid,
        found.st_dev,
        found.st_atime_ns,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )
