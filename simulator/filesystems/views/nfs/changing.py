"""How a client has the server change something: what the other clients keep of it, and what the client learns."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any

import msgspec

from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import Inode
from simulator.filesystems.views.layers import path_of
from simulator.filesystems.views.nfs.clients import READ, WRITE, Act, Clients, belief_of, opens_of
from simulator.filesystems.views.nfs.knowledge import Client
from simulator.operations import Operation, Rename, Unlink

Name = tuple[Inode, str]


def change(
    state: Clients,
    client: Client,
    act: Act,
    operation: Operation,
    names: Sequence[Name] = (),
    inodes: Sequence[Inode | None] = (),
) -> Any:
    """Have ``operation`` carried out, which changes these names and inodes if it succeeds."""
    changed = [inode for inode in inodes if inode is not None]
    for directory, name in names:
        state.before_change(client, directory, name)
    for inode in changed:
        state.before_change(client, inode)
    directories = {directory: directory.changed for directory, _ in names}
    before = [inode.changed for inode in changed]
    value = _done(state, act, operation)
    for directory, name in names:
        state.after_change(client, directory, directories[directory], act, name)
        directories[directory] = directory.changed
    for inode, was in zip(changed, before, strict=True):
        if inode.changed != was and inode not in directories:
            state.after_change(client, inode, was, act)
    return value


def change_name(
    state: Clients,
    client: Client,
    act: Act,
    operation: Operation,
    directory: Inode,
    name: str,
    inode: Inode | None = None,
) -> Any:
    """Have ``operation`` carried out, which changes one name, and the inode that it leads to."""
    state.before_change(client, directory, name)
    before = directory.changed
    if inode is None:
        value = _done(state, act, operation)
    else:
        state.before_change(client, inode)
        was = inode.changed
        value = _done(state, act, operation)
        state.after_change(client, inode, was, act)
    state.after_change(client, directory, before, act, name)
    return value


def change_inode(state: Clients, client: Client, act: Act, operation: Operation, inode: Inode) -> Any:
    """Have ``operation`` carried out, which changes one inode."""
    state.before_change(client, inode)
    before = inode.changed
    try:
        value = state.perform(act[0], operation, act[2])
    except OSError:
        state.nothing_changed()
        raise
    if inode.changed != before:
        state.all_changed()
        state.after_change(client, inode, before, act)
    else:
        state.nothing_changed()
    return value


def _done(state: Clients, act: Act, operation: Operation) -> Any:
    try:
        value = state.perform(act[0], operation, act[2])
    except OSError:
        state.nothing_changed()
        raise
    state.all_changed()
    return value


def at_name(operation: Any, directory: Inode, name: str, field: str = "path", at: str = "at") -> Any:
    """The operation on a name in the directory that the client has a handle on, wherever the server has it."""
    return msgspec.structs.replace(operation, **{field: _below(directory, name), at: None})


def at_inode(operation: Any, inode: Inode, field: str = "target", at: str = "at") -> Any:
    """The operation on the inode that the client has a handle on, wherever the server has it."""
    fields = {field: path_of(inode)}
    return msgspec.structs.replace(operation, **(fields | {at: None} if hasattr(operation, at) else fields))


def has_open(state: Clients, client: Client, inode: Inode) -> bool:
    """Whether a rank of the client's node has the inode open."""
    if state.tree.accesses is not None:
        state.tree.accesses.append((opens_of(inode, client), READ))
    first, tables = client.node * state.per_node, state.tree.tables
    for rank in range(first, first + state.per_node):
        table = tables.get(rank)
        if table is not None:
            for description in table.opened.values():
                if description.inode is inode:
                    return True
    return False


def rename_silly(state: Clients, client: Client, act: Act, directory: Inode, name: str, inode: Inode) -> None:
    """Instead of deleting a file that the client has open: give it a name that says so (fs/nfs/unlink.c).

    Raises EBUSY for one that has such a name already.
    """
    if client.silly.get(inode) == (directory, name):
        raise failure(errno.EBUSY)
    state.journal.set(client, "renamed", client.renamed + 1)
    silly = f".nfs{inode.number:016x}{client.renamed:08x}"
    operation = Rename(_below(directory, name), _below(directory, silly))
    change(state, client, act, operation, [(directory, name), (directory, silly)], [inode])
    state.journal.put(client.silly, inode, (directory, silly))


def remove_silly(state: Clients, client: Client, act: Act, inode: Inode) -> None:
    """The client has closed a file: if it was deleted before, and nobody on the node has it open, it goes now."""
    place = client.silly.get(inode)
    if place is None or has_open(state, client, inode):
        return
    state.journal.drop(client.silly, inode)
    if state.tree.accesses is not None:
        state.tree.accesses.append((opens_of(inode, client), WRITE))
    directory, name = place
    if directory.links and directory.entries.get(name) is inode:
        change(state, client, act, Unlink(_below(directory, name)), [place], [inode])


def note_belief(state: Clients, client: Client, directory: Inode, name: str) -> None:
    """For footprints: what the client believes of the name changes."""
    if state.tree.accesses is not None:
        state.tree.accesses.append((belief_of(directory, client, name), WRITE))


def forget_name(state: Clients, client: Client, directory: Inode, name: str) -> None:
    """The client has been told something else of a name than it believed: it will ask when it needs to know."""
    note_belief(state, client, directory, name)
    known = client.known.get(directory)
    if known is not None:
        state.journal.drop(known.names, name)


def look_up(state: Clients, client: Client, act: Act, directory: Inode, name: str) -> None:
    """The client has been told that there is nothing under a name any more, and remembers that."""
    note_belief(state, client, directory, name)
    state.learn(state.known(client, directory, act), name, directory.entries.get(name))


def _below(directory: Inode, name: str) -> str:
    path = path_of(directory)
    return f"{path}/{name}" if path else name
