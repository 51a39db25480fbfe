"""Operations on names as a client carries them out: mkdir, rmdir, unlink, rename, link, symlink, readlink."""

from __future__ import annotations

import errno
from typing import Any

from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.views.nfs.changing import (
    at_inode,
    at_name,
    change,
    change_name,
    forget_name,
    has_open,
    look_up,
    rename_silly,
)
from simulator.filesystems.views.nfs.clients import Act, Clients
from simulator.filesystems.views.nfs.knowledge import Client
from simulator.filesystems.views.nfs.walking import Last, resolve
from simulator.operations import Link, Mkdir, Mkfifo, Readlink, Rename, Rmdir, Symlink, Unlink


def make(state: Clients, client: Client, act: Act, operation: Mkdir | Mkfifo | Symlink) -> Any:
    """mkdir(2), mknod(2), symlink(2): the server decides whether the name is free, whatever the client believes of it.

    When it says no, the client forgets what it believed (``nfs_mkdir`` drops the dentry), and learns when next asked.
    """
    found = resolve(state, client, act, operation.path, operation.at, Last.SERVER)
    if found is None:
        return state.perform(act[0], operation, act[2])
    directory, name, _, is_stale = found
    if is_stale:
        operation = at_name(operation, directory, name)
    try:
        value = change_name(state, client, act, operation, directory, name)
    except OSError:
        forget_name(state, client, directory, name)
        raise
    state.known(client, directory.entries[name], act)
    return value


def rmdir(state: Clients, client: Client, act: Act, operation: Rmdir) -> Any:
    """rmdir(2): of a name that the client believes to be absent there is nothing to remove."""
    found = resolve(state, client, act, operation.path, operation.at, Last.PRESENT, follow=False)
    if found is None:
        return state.perform(act[0], operation, act[2])
    directory, name, _, is_stale = found
    removed = directory.entries.get(name)
    if is_stale:
        operation = at_name(operation, directory, name)
    value = _removing(state, client, act, operation, directory, name, removed)
    if removed is not None:
        state.journal.put(client.removed, removed, True)
    return value


def unlink(state: Clients, client: Client, act: Act, operation: Unlink) -> Any:
    """unlink(2). A file that this client has open is renamed instead."""
    found = resolve(state, client, act, operation.path, operation.at, Last.PRESENT, follow=False)
    if found is None:
        return state.perform(act[0], operation, act[2])
    directory, name, _, is_stale = found
    inode = directory.entries.get(name)
    slash = operation.path.endswith("/")
    if inode is not None and inode.entries is NO_ENTRIES and not slash and has_open(state, client, inode):
        rename_silly(state, client, act, directory, name, inode)
        return None
    if is_stale:
        operation = at_name(operation, directory, name)
    return _removing(state, client, act, operation, directory, name, inode)


def rename(state: Clients, client: Client, act: Act, operation: Rename) -> Any:
    """rename(2): the client may believe that there is nothing to rename; about the target the server decides."""
    if getattr(operation, "flags", 0):
        raise failure(errno.EINVAL)
    source = resolve(state, client, act, operation.source, operation.source_at, Last.PRESENT, follow=False)
    target = resolve(state, client, act, operation.target, operation.target_at, Last.SERVER, kind="stale-target")
    if source is None or target is None:
        return state.perform(act[0], operation, act[2])
    old, old_name, _, old_is_stale = source
    new, new_name, _, new_is_stale = target
    inode, replaced = old.entries.get(old_name), new.entries.get(new_name)
    if old_is_stale:
        operation = at_name(operation, old, old_name, "source", "source_at")
    if new_is_stale:
        operation = at_name(operation, new, new_name, "target", "target_at")
    if (
        inode is not None
        and replaced is not None
        and inode is not replaced
        and inode.entries is replaced.entries  # Both are files.
        and has_open(state, client, replaced)
    ):
        rename_silly(state, client, act, new, new_name, replaced)
        replaced = None
    try:
        value = change(state, client, act, operation, [(old, old_name), (new, new_name)], [inode, replaced])
    except FileNotFoundError:
        look_up(state, client, act, old, old_name)
        raise
    if replaced is not None and replaced.entries is not NO_ENTRIES:
        state.journal.put(client.removed, replaced, True)
    return value


def link(state: Clients, client: Client, act: Act, operation: Link) -> Any:
    """link(2): of the inode that the client finds; the server decides whether the new name is free."""
    source = resolve(state, client, act, operation.source, operation.source_at, Last.HANDLE, operation.follow)
    target = resolve(state, client, act, operation.target, operation.target_at, Last.SERVER, kind="stale-target")
    if source is None or target is None:
        return state.perform(act[0], operation, act[2])
    inode, directory, name = source[2], target[0], target[1]
    if source[3]:
        assert inode is not None
        operation = at_inode(operation, inode, "source", "source_at")
    if target[3]:
        operation = at_name(operation, directory, name, "target", "target_at")
    try:
        return change(state, client, act, operation, [(directory, name)], [inode])
    except OSError:
        forget_name(state, client, directory, name)
        raise


def readlink(state: Clients, client: Client, act: Act, operation: Readlink) -> Any:
    """readlink(2): a link's text never changes, so the client has it from the inode that it finds."""
    found = resolve(state, client, act, operation.path, operation.at, Last.CLIENT, follow=False)
    if found is None or not found[3]:
        return state.perform(act[0], operation, act[2])
    inode = found[2]
    assert inode is not None
    if inode.text is None:
        raise failure(errno.EINVAL)
    return inode.text


def _removing(
    state: Clients,
    client: Client,
    act: Act,
    operation: Rmdir | Unlink,
    directory: Inode,
    name: str,
    inode: Inode | None,
) -> Any:
    try:
        return change_name(state, client, act, operation, directory, name, inode)
    except FileNotFoundError:
        look_up(state, client, act, directory, name)
        raise
