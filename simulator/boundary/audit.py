"""Escapes that CPython itself reports: an audit hook (PEP 578), which sees past every captured original.

Where a replacement is in place, what happens below the root never raises an event, since it is not done on the real
machine. So an event whose path lies below the root, or that writes elsewhere, comes from a function that was called
past the boundary. Functions that only look (stat, access, readlink, exists) and fsync raise no event. Through
``ctypes`` a rank is seen to look up a function on files by name, or C's errno, but not to call one looked up before.

A hook cannot be taken away again. One is added for each process, at the first installation; it does nothing while no
rank runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from posixpath import normpath
from typing import Any, Final

from simulator.boundary.caller import CURRENT, Caller, current
from simulator.boundary.calls import described, refuse
from simulator.boundary.descriptors import CHANGES
from simulator.boundary.paths import WRITABLE_OUTSIDE, is_below, is_bytecode
from simulator.filesystems.interface import FIRST_DESCRIPTOR

_added = False


def watch() -> None:
    """Add the hook to this process, once."""
    global _added
    if not _added:
        _added = True
        sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if CURRENT.caller is None:
        return
    check = _CHECKS.get(event)
    if check is None:
        return
    caller = current()
    if caller is not None:
        check(caller, event, arguments)


def _open(caller: Caller, event: str, arguments: tuple[Any, ...]) -> None:
    path, mode, flags = arguments
    if isinstance(path, int):
        _descriptor(caller, event, (path,))
        return
    text = _whole(caller, path)
    if text is None or text in WRITABLE_OUTSIDE:
        return
    changes = bool((flags or 0) & CHANGES) or (isinstance(mode, str) and bool(set(mode) & set("wax+")))
    if is_below(caller.root, text) or (changes and not is_bytecode(text)):
        refuse(caller, described("open", os.fsdecode(path), mode if mode is not None else flags) + PAST)


def _look(caller: Caller, event: str, arguments: tuple[Any, ...]) -> None:
    text = _whole(caller, arguments[0] if arguments else None)
    if text is not None and is_below(caller.root, text):
        refuse(caller, described(event, *arguments[:1]) + PAST)


def _change(paths: int) -> Callable[[Caller, str, tuple[Any, ...]], None]:
    def check(caller: Caller, event: str, arguments: tuple[Any, ...]) -> None:
        texts = [_whole(caller, path) for path in arguments[:paths]]
        if not all(text is None or is_bytecode(text) for text in texts):
            refuse(caller, described(event, *arguments[:paths]) + PAST)

    return check


def _descriptor(caller: Caller, event: str, arguments: tuple[Any, ...]) -> None:
    if isinstance(arguments[0], int) and arguments[0] >= FIRST_DESCRIPTOR:
        refuse(caller, described(event, *arguments[:1]) + PAST)


def _never(*shown: int) -> Callable[[Caller, str, tuple[Any, ...]], None]:
    def check(caller: Caller, event: str, arguments: tuple[Any, ...]) -> None:
        refuse(caller, described(event, *(arguments[number] for number in shown if number < len(arguments))) + PAST)

    return check


def _native(caller: Caller, event: str, arguments: tuple[Any, ...]) -> None:
    """What C does to files happens on the real machine, where the root is not: the rank would see it fail."""
    name = arguments[1] if len(arguments) > 1 else None
    if name is None or name in _OF_FILES:
        refuse(caller, described(event, *arguments[1:]))


def _whole(caller: Caller, path: Any) -> str | None:
    if path is None:
        return caller.cwd
    if isinstance(path, int):
        return None
    text = os.fsdecode(path)
    return normpath(text if text.startswith("/") else f"{caller.cwd}/{text}")


PAST: Final = ", by a function that was called past the boundary"

_OF_FILES: Final = frozenset(
    (
        "access", "chmod", "chown", "close_range", "copy_file_range", "creat", "dup2", "dup3", "faccessat", "fallocate",
        "fchmod", "fchmodat", "fchown", "fchownat", "fdatasync", "flock", "fopen", "fopen64", "fsync", "ftruncate",
        "ftruncate64", "futimens", "io_uring_setup", "link", "linkat", "lockf", "lstat", "mkdir", "mkdirat", "mkdtemp",
        "mkstemp", "open", "open64", "openat", "openat64", "opendir", "posix_fallocate", "pwrite", "pwrite64",
        "readlink",
        "realpath", "remove", "rename", "renameat", "renameat2", "rmdir", "sendfile", "stat", "statx", "symlink",
        "symlinkat", "sync", "sync_file_range", "syncfs", "syscall", "system", "truncate", "truncate64", "unlink",
        "unlinkat", "utimensat",
    )
)  # fmt: skip
"""Functions of the C library by which a program would reach files, or start another program."""

_CHECKS: Final[dict[str, Callable[[Caller, str, tuple[Any, ...]], None]]] = {
    "open": _open,
    **dict.fromkeys(("os.listdir", "os.scandir", "os.chdir", "os.getxattr", "os.listxattr"), _look),
    **dict.fromkeys(
        ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.chown", "os.utime", "os.setxattr",
         "os.removexattr", "os.chflags", "os.mkfifo", "os.mknod", "sqlite3.connect"), _change(1),
    ),
    **dict.fromkeys(("os.rename", "os.link", "os.symlink"), _change(2)),
    **dict.fromkeys(("os.lockf", "fcntl.flock", "fcntl.lockf", "mmap.__new__"), _descriptor),
    **dict.fromkeys(("os.fork", "os.forkpty"), _never()),
    **dict.fromkeys(("os.exec", "os.posix_spawn", "os.system", "_thread.start_new_thread", "pty.spawn"), _never(0)),
    **dict.fromkeys(("os.kill", "os.killpg", "signal.pthread_kill"), _never(0, 1)),
    **dict.fromkeys(("subprocess.Popen", "socket.connect", "socket.bind", "socket.sendto"), _never(1)),
    "_thread.start_joinable_thread": _never(0),
    **dict.fromkeys(("ctypes.dlsym", "ctypes.get_errno"), _native),
}  # fmt: skip
