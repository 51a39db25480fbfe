"""The layer of an NFS file system: hands operations to the client of the rank's node."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any, Final

from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import NO_ENTRIES
from simulator.filesystems.views.flocks import would_wait_on_node
from simulator.filesystems.views.nfs import attributes, files, names
from simulator.filesystems.views.nfs.changing import remove_silly
from simulator.filesystems.views.nfs.clients import Act, Clients
from simulator.filesystems.views.nfs.flushing import flushed
from simulator.filesystems.views.nfs.knowledge import Client
from simulator.operations import (
    AccessCheck,
    Chmod,
    Chown,
    Close,
    Fsync,
    Link,
    Lock,
    Mkdir,
    Mkfifo,
    Open,
    Operation,
    Read,
    Readdir,
    Readlink,
    Rename,
    Rmdir,
    Stat,
    Statvfs,
    Symlink,
    Truncate,
    Unlink,
    Utime,
    Write,
)

_ACTIONS: Final[dict[type[Operation], Callable[[Clients, Client, Act, Any], Any]]] = {
    AccessCheck: attributes.access,
    Chmod: attributes.set_attributes,
    Chown: attributes.set_attributes,
    Close: files.close,
    Fsync: files.fsync,
    Link: names.link,
    Lock: files.lock,
    Mkdir: names.make,
    Mkfifo: names.make,
    Open: files.open_file,
    Read: files.read,
    Readdir: attributes.readdir,
    Readlink: names.readlink,
    Rename: names.rename,
    Rmdir: names.rmdir,
    Stat: attributes.stat,
    Statvfs: attributes.statvfs,
    Symlink: names.make,
    Truncate: files.truncate,
    Unlink: names.unlink,
    Utime: attributes.set_attributes,
    Write: files.write,
}

_SENT_AGAIN: Final[dict[type[Operation], int]] = {
    Rename: errno.ENOENT,
    Rmdir: errno.ENOENT,
    Unlink: errno.ENOENT,
    Link: errno.EEXIST,
    Mkdir: errno.EEXIST,
    Mkfifo: errno.EEXIST,
    Symlink: errno.EEXIST,
}
"""What the server says to a request that it has carried out already, when its reply got lost and it comes once more.

A server remembers its latest replies, but not beyond a restart or a full cache (rename(2), section BUGS)."""

_ANSWERED_AT_ONCE: Final = frozenset({Close, Fsync, Lock, Read, Write})
"""Operations of which time-outs are the business of the pages that they send."""


class Nfs:
    """Implements ``layers.Layer``."""

    def __init__(self, clients: Clients) -> None:
        self._state = clients
        self._unreliable = clients.mount.resent > 0 or clients.mount.timeouts > 0

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``. Who is no rank (a judgement) asks the server itself."""
        state = self._state
        action = _ACTIONS.get(type(operation))
        if action is None or rank < 0:
            return state.perform(rank, operation, now)
        act = (rank, operation, now)
        state.now = now
        if self._unreliable:
            return self._sent(action, act)
        return action(state, state.clients[rank // state.per_node], act, operation)

    def release(self, rank: int) -> None:
        """The rank's process has ended: its files are closed."""
        state = self._state
        table = state.tree.tables.get(rank)
        opened = [description.inode for description in table.opened.values()] if table is not None else []
        state.server.release(rank)
        if rank < 0:
            return
        client = state.client_of(rank)
        for inode in opened:
            if inode.entries is NO_ENTRIES:
                held = state.unflushed.get(inode)
                if held is not None and held.client is client:
                    flushed(state, inode)
                if client.silly:
                    remove_silly(state, client, (rank, Fsync(0), state.now + 1), inode)

    def would_wait(self, rank: int, operation: Lock) -> bool:
        """See ``PosixModel.would_wait``."""
        state = self._state
        if state.mount.local_lock in ("flock", "all"):
            return would_wait_on_node(state.server, state.per_node, rank, operation)
        return state.server.would_wait(rank, operation)

    def mtime_order(self) -> Sequence[tuple[str, int]]:
        """See ``PosixModel.mtime_order``."""
        return self._state.server.mtime_order()

    def restart(self) -> None:
        """The job starts anew: the clients have nothing cached."""
        self._state.restart()

    def _sent(self, action: Callable[[Clients, Client, Act, Any], Any], act: Act) -> Any:
        """Carry an operation out on a network and a server that may fail."""
        state, kind = self._state, type(act[1])
        client = state.client_of(act[0])
        if kind not in _ANSWERED_AT_ONCE and state.mount.timeouts and state.mount.soft != "no":
            text = "the server does not answer in time"
            value = state.decisions.ask("timeout", act[0], act[1], text, 3)
            if value:
                if value == 2:  # It has carried the request out.
                    action(state, client, act, act[1])
                raise failure(getattr(errno, state.mount.soft))
        given = action(state, client, act, act[1])
        code = _SENT_AGAIN.get(kind)
        if code is not None and state.mount.resent:
            text = "the reply gets lost, and the request is sent once more"
            if state.decisions.ask("resent", act[0], act[1], text):
                raise failure(code)
        return given
