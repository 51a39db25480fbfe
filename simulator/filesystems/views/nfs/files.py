"""Operations on open files as a client carries them out: open, close, read, write, truncate, fsync, flock.

A client writes to its own pages and sends them to the server when the file is closed, synced, locked or unlocked, or
earlier, as it likes; an open asks the server whether the file has changed (nfs(5), section "Close-to-open cache
consistency"). So what another client reads of a file that is being written is a choice until it is closed.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Any

from simulator.filesystems.posix.content import size_of
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.views.flocks import lock_on_node
from simulator.filesystems.views.local_appends import write_at
from simulator.filesystems.views.nfs.changing import (
    at_inode,
    at_name,
    change_inode,
    change_name,
    forget_name,
    remove_silly,
)
from simulator.filesystems.views.nfs.clients import (
    READ,
    UPDATE,
    WRITE,
    Act,
    Clients,
    Unflushed,
    change_of,
    flush_of,
    opens_of,
)
from simulator.filesystems.views.nfs.flushing import described, flush, flushed, require_served, unseen
from simulator.filesystems.views.nfs.knowledge import Client, Old
from simulator.filesystems.views.nfs.walking import Last, resolve
from simulator.operations import Close, Fsync, Lock, Open, Read, Truncate, Write


def open_file(state: Clients, client: Client, act: Act, operation: Open) -> Any:
    """open(2). The server decides about O_EXCL; a client that believes a name to be absent does not ask."""
    flags = operation.flags
    exclusive = flags & os.O_CREAT and flags & os.O_EXCL
    follow = not flags & os.O_NOFOLLOW
    last = Last.SERVER if exclusive else Last.CREATED if flags & os.O_CREAT else Last.OPENED
    found = resolve(state, client, act, operation.path, operation.at, last, follow)
    if found is None:
        return state.perform(act[0], operation, act[2])
    directory, name, inode, is_stale = found
    if is_stale:
        if inode is None or last is Last.SERVER:
            operation = at_name(operation, directory, name)
        else:
            operation = at_inode(operation, inode, "path")
    try:
        if flags & os.O_CREAT and inode is None:
            descriptor = change_name(state, client, act, operation, directory, name)
        elif flags & os.O_TRUNC and inode is not None:
            descriptor = change_inode(state, client, act, operation, inode)
        else:
            descriptor = state.perform(act[0], operation, act[2])
    except OSError:
        if flags & os.O_CREAT:
            forget_name(state, client, directory, name)
        raise
    opened = state.tree.tables[act[0]].opened[descriptor].inode
    _opened(state, client, act, opened, bool(flags & os.O_PATH))
    if flags & os.O_TRUNC:
        flushed(state, opened)
    return descriptor


def close(state: Clients, client: Client, act: Act, operation: Close) -> Any:
    """close(2): what was written goes to the server now. Raises EIO, ETIMEDOUT or ESTALE where that fails."""
    description = described(state, act[0], operation.fd)
    state.perform(act[0], operation, act[2])
    if description is None:
        return
    inode = description.inode
    if inode.entries is not NO_ENTRIES:
        return
    if state.tree.accesses is not None:
        state.tree.accesses.append((opens_of(inode, client), UPDATE))
    try:
        if description.writable:
            flush(state, client, act, inode)
    finally:
        if client.silly:
            remove_silly(state, client, act, inode)


def read(state: Clients, client: Client, act: Act, operation: Read) -> Any:
    """read(2), pread(2): from the client's pages where it has them and still trusts them."""
    description = described(state, act[0], operation.fd)
    if description is None or not description.readable or description.inode.entries is not NO_ENTRIES:
        return state.perform(act[0], operation, act[2])
    inode = description.inode
    require_served(state, client, act, inode)
    known = state.known(client, inode, act)
    content = None
    if known.old is not None:
        content = known.old.content
        if content is None or content is inode.content or not _reads_old_pages(state, client, act):
            content = None
            known = state.fetch(client, inode, act)
    if content is None:
        content = unseen(state, client, act, inode)
        if not known.held or content is not None:
            state.save(known)
            known.held = True
            if content is not None:
                known.old = Old(state.unflushed[inode].attributes, None, content)
    if content is None:
        return state.perform(act[0], operation, act[2])
    present, inode.content = inode.content, content
    try:
        return state.perform(act[0], operation, act[2])
    finally:
        inode.content = present


def write(state: Clients, client: Client, act: Act, operation: Write) -> Any:
    """write(2), pwrite(2): into the client's pages. With O_APPEND it goes where the client takes the end to be."""
    description = described(state, act[0], operation.fd)
    if description is None or not description.writable:
        return state.perform(act[0], operation, act[2])
    inode = description.inode
    if state.tree.accesses is not None:
        state.tree.accesses.append((flush_of(inode), WRITE))
    end = _believed_end(state, client, act, inode) if description.append else None
    held = state.unflushed.get(inode)
    if held is not None and held.client is not client:
        flushed(state, inode)
        held = None
    if held is None and not state.mount.noac:
        state.journal.put(state.unflushed, inode, Unflushed(client, inode))
    if end is None:
        value = change_inode(state, client, act, operation, inode)
    else:
        value = write_at(state.tree, description, end, lambda: change_inode(state, client, act, operation, inode))
    known = client.known.get(inode)
    if known is not None and not known.held:
        state.save(known)
        known.held = True
    return value


def truncate(state: Clients, client: Client, act: Act, operation: Truncate) -> Any:
    """truncate(2), ftruncate(2): what was written goes to the server first, then the size does."""
    target = operation.target
    is_stale = False
    if isinstance(target, str):
        found = resolve(state, client, act, target, None, Last.HANDLE)
        inode, is_stale = (found[2], found[3]) if found is not None else (None, False)
    else:
        description = described(state, act[0], target)
        inode = description.inode if description is not None else None
    if inode is None or inode.entries is not NO_ENTRIES:
        return state.perform(act[0], operation, act[2])
    require_served(state, client, act, inode)
    if is_stale:
        operation = at_inode(operation, inode)
    flushed(state, inode)
    return change_inode(state, client, act, operation, inode)


def fsync(state: Clients, client: Client, act: Act, operation: Fsync) -> Any:
    """fsync(2): of a file, what was written goes to the server. Of a directory it does nothing (nfs_fsync_dir)."""
    description = described(state, act[0], operation.fd)
    value = state.perform(act[0], operation, act[2])
    if description is not None and description.inode.entries is NO_ENTRIES:
        flush(state, client, act, description.inode)
    return value


def lock(state: Clients, client: Client, act: Act, operation: Lock) -> Any:
    """flock(2), which is a lock of the whole file as fcntl(2) has it: it needs the mode of access that goes with it.

    What was written goes to the server, and what is cached is asked for anew (nfs(5), "Using file locks with NFS").
    """
    description = described(state, act[0], operation.fd)
    if description is None or description.path_only:
        return state.perform(act[0], operation, act[2])
    if state.mount.local_lock in ("flock", "all"):
        return lock_on_node(state.server, state.per_node, act[0], operation, act[2])
    inode, kind = description.inode, operation.how & ~fcntl.LOCK_NB
    if (kind == fcntl.LOCK_EX and not description.writable) or (kind == fcntl.LOCK_SH and not description.readable):
        raise failure(errno.EBADF)
    value = state.perform(act[0], operation, act[2])
    if inode.entries is NO_ENTRIES:
        flush(state, client, act, inode)
    if kind != fcntl.LOCK_UN:
        known = state.fetch(client, inode, act)
        state.save(known)
        known.forget()
    return value


def _opened(state: Clients, client: Client, act: Act, inode: Inode, path_only: bool) -> None:
    """Close-to-open: an open asks the server whether the inode has changed, unless it is mounted with nocto."""
    if inode.entries is NO_ENTRIES and state.tree.accesses is not None:
        state.tree.accesses.append((opens_of(inode, client), UPDATE))
    if path_only:
        return
    if state.mount.nocto:
        state.known(client, inode, act)
    else:
        state.fetch(client, inode, act)


def _believed_end(state: Clients, client: Client, act: Act, inode: Inode) -> int | None:
    """Where the client takes the end of the file to be, where that is not where it is; else None."""
    known = state.known(client, inode, act)
    if state.tree.accesses is not None:
        state.tree.accesses.append((change_of(inode), READ))
    old = known.old
    if old is not None and old.attributes.size != size_of(inode.content):
        text = f"node {client.node} appends where it takes the end to be"
        if state.decisions.ask("stale-attributes", act[0], act[1], text):
            return old.attributes.size
        state.fetch(client, inode, act)
    content = unseen(state, client, act, inode)
    return None if content is None else size_of(content)


def _reads_old_pages(state: Clients, client: Client, act: Act) -> bool:
    text = f"node {client.node} reads pages that it has cached"
    return state.decisions.ask("stale-data", act[0], act[1], text) > 0
