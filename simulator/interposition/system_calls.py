"""The system calls that are held, by machine: their numbers, and which arguments name files.

Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Final

import msgspec


class Path(msgspec.Struct, frozen=True):
    """Where a path stands among the arguments, and the directory descriptor that it is relative to, if any."""

    argument: int
    directory: int | None = None


class Signature(msgspec.Struct, frozen=True):
    """A system call: its numbers (None where the machine lacks it), and its arguments that are paths or descriptors."""

    name: str
    x86_64: int | None
    aarch64: int | None
    paths: tuple[Path, ...] = ()
    descriptors: tuple[int, ...] = ()


def _by_path(name: str, x86_64: int | None, aarch64: int | None, *paths: tuple[int, int | None]) -> Signature:
    return Signature(name, x86_64, aarch64, tuple(Path(*path) for path in paths))


def _by_descriptor(name: str, x86_64: int | None, aarch64: int | None, *descriptors: int) -> Signature:
    return Signature(name, x86_64, aarch64, (), descriptors)


SIGNATURES: Final = (
    _by_path("open", 2, None, (0, None)),
    _by_path("creat", 85, None, (0, None)),
    _by_path("openat", 257, 56, (1, 0)),
    _by_path("openat2", 437, 437, (1, 0)),
    _by_path("rename", 82, None, (0, None), (1, None)),
    _by_path("renameat", 264, 38, (1, 0), (3, 2)),
    _by_path("renameat2", 316, 276, (1, 0), (3, 2)),
    _by_path("mkdir", 83, None, (0, None)),
    _by_path("mkdirat", 258, 34, (1, 0)),
    _by_path("rmdir", 84, None, (0, None)),
    _by_path("unlink", 87, None, (0, None)),
    _by_path("unlinkat", 263, 35, (1, 0)),
    _by_path("link", 86, None, (0, None), (1, None)),
    _by_path("linkat", 265, 37, (1, 0), (3, 2)),
    # The first argument of a symbolic link is a text, not a path that is looked up.
    _by_path("symlink", 88, None, (1, None)),
    _by_path("symlinkat", 266, 36, (2, 1)),
    _by_path("readlink", 89, None, (0, None)),
    _by_path("readlinkat", 267, 78, (1, 0)),
    _by_path("stat", 4, None, (0, None)),
    _by_path("lstat", 6, None, (0, None)),
    _by_path("newfstatat", 262, 79, (1, 0)),
    _by_path("statx", 332, 291, (1, 0)),
    _by_path("access", 21, None, (0, None)),
    _by_path("faccessat", 269, 48, (1, 0)),
    _by_path("faccessat2", 439, 439, (1, 0)),
    _by_path("truncate", 76, 45, (0, None)),
    _by_path("chmod", 90, None, (0, None)),
    _by_path("fchmodat", 268, 53, (1, 0)),
    _by_path("fchmodat2", 452, 452, (1, 0)),
    _by_path("utime", 132, None, (0, None)),
    _by_path("utimes", 235, None, (0, None)),
    _by_path("futimesat", 261, None, (1, 0)),
    _by_path("utimensat", 280, 88, (1, 0)),
    _by_descriptor("fstat", 5, 80, 0),
    _by_descriptor("getdents", 78, None, 0),
    _by_descriptor("getdents64", 217, 61, 0),
    _by_descriptor("write", 1, 64, 0),
    _by_descriptor("pwrite64", 18, 68, 0),
    _by_descriptor("writev", 20, 66, 0),
    _by_descriptor("pwritev", 296, 70, 0),
    _by_descriptor("pwritev2", 328, 287, 0),
    _by_descriptor("ftruncate", 77, 46, 0),
    _by_descriptor("fallocate", 285, 47, 0),
    _by_descriptor("copy_file_range", 326, 285, 0, 2),
    _by_descriptor("sendfile", 40, 71, 0, 1),
    _by_descriptor("fsync", 74, 82, 0),
    _by_descriptor("fdatasync", 75, 83, 0),
    _by_descriptor("sync_file_range", 277, 84, 0),
    _by_descriptor("syncfs", 306, 267, 0),
    _by_descriptor("fchmod", 91, 52, 0),
    _by_descriptor("flock", 73, 32, 0),
    _by_descriptor("close", 3, 57, 0),
    # SLEEPS.
    Signature("nanosleep", 35, 101),
    Signature("clock_nanosleep", 230, 115),
    # SIGNALS.
    Signature("rt_sigaction", 13, 134),
    Signature("rt_sigreturn", 15, 139),
    # Rings carry out calls that no filter sees: refused, so that programs fall back to ordinary calls.
    Signature("io_uring_setup", 425, 425),
)

SLEEPS: Final = frozenset({"nanosleep", "clock_nanosleep"})
"""Held so that a loop that polls needs no real time, and no luck."""

SIGNALS: Final = frozenset({"rt_sigaction", "rt_sigreturn"})
"""Held so that a signal makes no call fail that only waits for the supervisor: see ``restarting``."""

AUDIT_ARCHITECTURES: Final[Mapping[str, int]] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""What seccomp calls a machine: AUDIT_ARCH_* of linux/audit.h."""


def signatures(machine: str | None = None) -> dict[int, Signature]:
    """The held calls of a machine (of this one, if none is given), by number; empty for one that is not known."""
    machine = machine or platform.machine()
    if machine not in AUDIT_ARCHITECTURES:
        return {}
    numbered = ((getattr(signature, machine), signature) for signature in SIGNATURES)
    return {number: signature for number, signature in numbered if number is not None}
