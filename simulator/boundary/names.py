"""Functions of ``os`` that change or follow names: mkdir, rmdir, unlink, rename, link, symlink, readlink."""

from __future__ import annotations

import errno
import os
from typing import Any, Final

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, act, error_of, refuse_call
from simulator.boundary.paths import Place, as_text, is_below, may_be_written, outside, place
from simulator.filesystems.interface import LINK_TO_ROOT
from simulator.operations import Link, Mkdir, Mkfifo, Readlink, Rename, Rmdir, Symlink, Unlink
from simulator.originals import OS


def mkdir(caller: Caller, path: Any, mode: int = 0o777, *, dir_fd: Any = None) -> None:
    """As ``os.mkdir``."""
    where, at = place(caller, path, dir_fd)
    if where is None:
        _refuse_what_exists(caller, path, dir_fd)
        _change_outside(caller, "mkdir", path, mode, dir_fd=dir_fd)
        return
    act(caller, Mkdir(where, mode & ~caller.umask, at), path)


def rmdir(caller: Caller, path: Any, *, dir_fd: Any = None) -> None:
    """As ``os.rmdir``."""
    where, at = place(caller, path, dir_fd)
    if where is None:
        refuse_call(caller, "os.rmdir", path)
    act(caller, Rmdir(where, at), path)


def unlink(caller: Caller, path: Any, *, dir_fd: Any = None) -> None:
    """As ``os.unlink``."""
    where, at = place(caller, path, dir_fd)
    if where is None:
        _change_outside(caller, "unlink", path, dir_fd=dir_fd)
        return
    act(caller, Unlink(where, at), path)


def remove(caller: Caller, path: Any, *, dir_fd: Any = None) -> None:
    """As ``os.remove``."""
    where, at = place(caller, path, dir_fd)
    if where is None:
        _change_outside(caller, "remove", path, dir_fd=dir_fd)
        return
    act(caller, Unlink(where, at), path)


def rename(caller: Caller, src: Any, dst: Any, *, src_dir_fd: Any = None, dst_dir_fd: Any = None) -> None:
    """As ``os.rename``."""
    _rename(caller, "rename", src, dst, src_dir_fd, dst_dir_fd)


def replace(caller: Caller, src: Any, dst: Any, *, src_dir_fd: Any = None, dst_dir_fd: Any = None) -> None:
    """As ``os.replace``, which is the same system call."""
    _rename(caller, "replace", src, dst, src_dir_fd, dst_dir_fd)


def link(
    caller: Caller,
    src: Any,
    dst: Any,
    *,
    src_dir_fd: Any = None,
    dst_dir_fd: Any = None,
    follow_symlinks: bool = True,
) -> None:
    """Like ``os.link``: on Linux CPython calls link(2), which follows no link, unless a directory is given."""
    (source, source_at), (destination, destination_at) = _both(caller, src, dst, src_dir_fd, dst_dir_fd)
    if source is None or destination is None:
        refuse_call(caller, "os.link", src, dst)
    follow = bool(follow_symlinks) and (src_dir_fd is not None or dst_dir_fd is not None)
    act(caller, Link(source, destination, source_at, destination_at, follow), src, dst)


def symlink(caller: Caller, src: Any, dst: Any, target_is_directory: bool = False, *, dir_fd: Any = None) -> None:
    """As ``os.symlink``. A link that would lead out of the root, or of the node's scratch, is an escape."""
    text = as_text(src)
    if not text:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), src, None, dst)
    where, at = _both(caller, text, dst, None, dir_fd)[1]
    if where is None:
        refuse_call(caller, "os.symlink", src, dst)
    if text.startswith("/") and not (where.startswith("/") and place(caller, text)[0] == text):
        if not is_below(caller.root, text):
            refuse_call(caller, "os.symlink", src, dst)
        text = LINK_TO_ROOT + text[len(caller.root) :]
    act(caller, Symlink(text, where, at), src, dst)


def readlink(caller: Caller, path: Any, *, dir_fd: Any = None) -> str | bytes:
    """As ``os.readlink``; a link to a path below the root gives that absolute path back."""
    where, at = place(caller, path, dir_fd)
    if where is None:
        real: str | bytes = OS["readlink"](outside(caller, path, dir_fd), dir_fd=dir_fd)
        return real
    text: str = act(caller, Readlink(where, at), path)
    if text.startswith(LINK_TO_ROOT):
        text = caller.root + text[len(LINK_TO_ROOT) :]
    return os.fsencode(text) if isinstance(os.fspath(path), bytes) else text


def mkfifo(caller: Caller, path: Any, mode: int = 0o666, *, dir_fd: Any = None) -> None:
    """As ``os.mkfifo``; to open what it made is refused."""
    where, at = place(caller, path, dir_fd)
    if where is None:
        refuse_call(caller, "os.mkfifo", path)
    act(caller, Mkfifo(where, mode & ~caller.umask, at), path)


def mknod(caller: Caller, path: Any, mode: int = 0o600, device: int = 0, *, dir_fd: Any = None) -> None:
    """Device files are not simulated: an escape."""
    refuse_call(caller, "os.mknod", path)


def _both(caller: Caller, src: Any, dst: Any, src_dir_fd: Any, dst_dir_fd: Any) -> tuple[Place, Place]:
    """Where the two paths of a call are. An empty one is refused by the call, whose errors name both."""
    try:
        return place(caller, src, src_dir_fd), place(caller, dst, dst_dir_fd)
    except FileNotFoundError as error:
        error.filename, error.filename2 = os.fspath(src), os.fspath(dst)
        raise


def _refuse_what_exists(caller: Caller, path: Any, dir_fd: Any) -> None:
    """``makedirs(..., exist_ok=True)`` of a real directory changes nothing: the same error, and no escape."""
    try:
        OS["lstat"](outside(caller, path, dir_fd), dir_fd=dir_fd)
    except OSError:
        return
    raise error_of(errno.EEXIST, path)


def _change_outside(caller: Caller, function: str, path: Any, *arguments: Any, dir_fd: Any) -> None:
    if dir_fd is not None or not may_be_written(caller, path):
        refuse_call(caller, f"os.{function}", path)
    OS[function](outside(caller, path), *arguments)


def _rename(caller: Caller, function: str, src: Any, dst: Any, src_dir_fd: Any, dst_dir_fd: Any) -> None:
    (source, source_at), (destination, destination_at) = _both(caller, src, dst, src_dir_fd, dst_dir_fd)
    if source is None or destination is None:
        if source is None and destination is None and may_be_written(caller, src) and may_be_written(caller, dst):
            OS[function](outside(caller, src), outside(caller, dst), src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            return
        refuse_call(caller, f"os.{function}", src, dst)
    act(caller, Rename(source, destination, source_at, destination_at), src, dst)


FUNCTIONS: Final[dict[str, Simulated]] = {
    "os:mkdir": mkdir,
    "os:rmdir": rmdir,
    "os:unlink": unlink,
    "os:remove": remove,
    "os:rename": rename,
    "os:replace": replace,
    "os:link": link,
    "os:symlink": symlink,
    "os:readlink": readlink,
    "os:mkfifo": mkfifo,
    "os:mknod": mknod,
}
