"""What a client holds back of what was written, what becomes of it, and requests about files that are gone."""

from __future__ import annotations

import errno
from typing import Any

from simulator.filesystems.posix.descriptors import Description
from simulator.filesystems.posix.digest import touch
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.posix.tree import save
from simulator.filesystems.views.nfs.clients import READ, WRITE, Act, Clients, change_of, flush_of
from simulator.filesystems.views.nfs.knowledge import Client
from simulator.operations import data, links


def unseen(state: Clients, client: Client, act: Act, inode: Inode) -> Any:
    """The file's content before what another client holds back, where it is chosen that it still does; else None."""
    if state.tree.accesses is not None:
        state.tree.accesses.append((flush_of(inode), READ))
    held = state.unflushed.get(inode)
    if held is None or held.client is client or held.content is inode.content:
        return None
    text = f"node {held.client.node} has not sent yet what it wrote"
    if state.decisions.ask("unflushed", act[0], act[1], text):
        return held.content
    flushed(state, inode)
    return None


def flushed(state: Clients, inode: Inode) -> None:
    """The server has all that was written to the file."""
    if state.tree.accesses is not None:
        state.tree.accesses.append((flush_of(inode), WRITE if inode in state.unflushed else READ))
    if inode in state.unflushed:
        state.journal.drop(state.unflushed, inode)


def flush(state: Clients, client: Client, act: Act, inode: Inode) -> None:
    """The client sends what it wrote to a file. Raises ESTALE where the file is gone, EIO or ETIMEDOUT on a time-out.

    What could not be sent is lost (nfs(5), "soft": data corruption).
    """
    if state.tree.accesses is not None:
        state.tree.accesses.append((flush_of(inode), READ))
    held = state.unflushed.get(inode)
    if held is None or held.client is not client:
        return
    flushed(state, inode)
    require_served(state, client, act, inode)
    code = timed_out(state, act) if held.content is not inode.content else 0
    if code:
        save(state.tree, inode)
        inode.content, inode.token = held.content, None
        touch(inode)
        if state.tree.accesses is not None:
            state.tree.accesses += [(data(inode.number), WRITE), (change_of(inode), WRITE)]
        raise failure(code)


def timed_out(state: Clients, act: Act) -> int:
    """The errno with which the request fails because the server does not answer in time; 0 where it does not."""
    mount = state.mount
    if not mount.timeouts or mount.soft == "no":
        return 0
    if state.decisions.ask("timeout", act[0], act[1], "the server does not answer in time"):
        return int(getattr(errno, mount.soft))
    return 0


def require_served(state: Clients, client: Client, act: Act, inode: Inode) -> None:
    """A request is made with a handle. Raises ESTALE where the inode is gone that it is of.

    A server of NFSv4 may hold a file for those that have it open, so there both are allowed. What this client removed
    itself it knows of.
    """
    if state.tree.accesses is not None:
        state.tree.accesses += [(links(inode.number), READ), (change_of(inode), READ)]
    if inode.links or inode in client.removed:
        return
    if state.mount.vers == 4 and inode.entries is NO_ENTRIES:
        text = "the server no longer has the file that another node removed"
        if not state.decisions.ask("estale", act[0], act[1], text):
            return
    raise failure(errno.ESTALE)


def described(state: Clients, rank: int, number: int) -> Description | None:
    """What a descriptor of the rank stands for, if it is open."""
    table = state.tree.tables.get(rank)
    return table.opened.get(number) if table is not None else None
