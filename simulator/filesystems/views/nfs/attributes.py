"""Operations that ask about inodes, as a client carries them out, and chmod, chown, utime."""

from __future__ import annotations

from typing import Any

from simulator.filesystems.interface import VOLUME
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.views.nfs.changing import at_inode, change_inode
from simulator.filesystems.views.nfs.clients import READ, Act, Clients, change_of, flush_of
from simulator.filesystems.views.nfs.flushing import described, flushed, require_served
from simulator.filesystems.views.nfs.knowledge import CURRENT, Client, Known, Old, is_gone
from simulator.filesystems.views.nfs.walking import Last, resolve
from simulator.operations import (
    AccessCheck,
    Chmod,
    Chown,
    Readdir,
    Stat,
    Statvfs,
    Utime,
    attributes as attributes_thing,
    data,
    listing as listing_thing,
)


def stat(state: Clients, client: Client, act: Act, operation: Stat) -> Any:
    """stat(2), lstat(2), fstat(2): from the attributes that the client has cached, while it trusts them."""
    target = operation.target
    stale = False
    if isinstance(target, str):
        found = resolve(state, client, act, target, operation.at, Last.CLIENT, operation.follow)
        inode, stale = (found[2], found[3]) if found is not None else (None, False)
    else:
        description = described(state, act[0], target)
        inode = description.inode if description is not None else None
    if inode is None:
        return state.perform(act[0], operation, act[2])
    known = client.known.get(inode)
    if known is None or act[2] >= known.expires or state.tree.accesses is not None:
        known = _known(state, client, act, inode, stale)
        if state.tree.accesses is not None:
            state.tree.accesses.append((change_of(inode), READ))
    old = known.old
    if old is not None and old.attributes.changed != inode.changed:
        if (stale and is_gone(inode)) or _answers_from_cache(state, client, act):
            _note(state, inode)
            return old.attributes
        known = state.fetch(client, inode, act)
    if not isinstance(target, str):
        require_served(state, client, act, inode)
    if (state.unflushed or state.tree.accesses is not None) and _is_held_back(state, client, act, inode, known):
        _note(state, inode)
        assert known.old is not None
        return known.old.attributes
    return state.perform(act[0], at_inode(operation, inode) if stale else operation, act[2])


def access(state: Clients, client: Client, act: Act, operation: AccessCheck) -> Any:
    """access(2): whether the client finds anything there."""
    try:
        found = resolve(state, client, act, operation.path, operation.at, Last.CLIENT, operation.follow)
    except OSError:
        return False
    if found is None or found[2] is None or not found[3]:
        return state.perform(act[0], operation, act[2])
    return is_gone(found[2]) or state.perform(act[0], at_inode(operation, found[2], "path"), act[2])


def statvfs(state: Clients, client: Client, act: Act, operation: Statvfs) -> Any:
    """statvfs(3): the volume is the same wherever a path leads."""
    if isinstance(operation.target, str):
        found = resolve(state, client, act, operation.target, None, Last.CLIENT)
        if found is not None and found[3]:
            return VOLUME
    return state.perform(act[0], operation, act[2])


def set_attributes(state: Clients, client: Client, act: Act, operation: Chmod | Chown | Utime) -> Any:
    """chmod(2), chown(2), utimensat(2): of the inode that the client finds."""
    target = operation.target
    stale = False
    if isinstance(target, str):
        found = resolve(state, client, act, target, operation.at, Last.HANDLE, operation.follow)
        inode, stale = (found[2], found[3]) if found is not None else (None, False)
    else:
        description = described(state, act[0], target)
        inode = description.inode if description is not None else None
    if inode is None:
        return state.perform(act[0], operation, act[2])
    require_served(state, client, act, inode)
    if inode.entries is NO_ENTRIES:
        flushed(state, inode)
    return change_inode(state, client, act, at_inode(operation, inode) if stale else operation, inode)


def readdir(state: Clients, client: Client, act: Act, operation: Readdir) -> Any:
    """One scan. Opening a directory asks the server whether it has changed, so that the scan is fresh.

    Through a descriptor, and with nocto, entries that were read before may be given again while they are trusted. A
    scan of several pages may be of old pages first and new ones then.
    """
    target = operation.target
    stale = False
    if isinstance(target, str):
        found = resolve(state, client, act, target, None, Last.OPENED)
        directory, stale = (found[2], found[3]) if found is not None else (None, False)
    else:
        description = described(state, act[0], target)
        directory = description.inode if description is not None and not description.path_only else None
    if directory is None or directory.entries is NO_ENTRIES:
        return state.perform(act[0], operation, act[2])
    require_served(state, client, act, directory)
    opens = isinstance(target, str) and not state.mount.nocto
    known = state.fetch(client, directory, act) if opens else state.known(client, directory, act)
    given = state.perform(act[0], at_inode(operation, directory) if stale else operation, act[2])
    old = known.old.entries if known.old is not None else None
    if old is not None and old != given:
        cached = _cached_listing(state, client, act, old, given)
        if cached is not None:
            if state.tree.accesses is not None:
                state.tree.accesses.append((listing_thing(directory.number), READ))
            return cached
        known = state.fetch(client, directory, act)
    elif known.old is not None and not opens:
        known = state.fetch(client, directory, act)
    _listed(state, client, known, directory)
    return given


def _known(state: Clients, client: Client, act: Act, inode: Inode, stale: bool) -> Known:
    """What the client knows of an inode; of one that is gone no request can tell more."""
    known = client.known.get(inode)
    if known is not None and stale and is_gone(inode):
        return known
    return state.known(client, inode, act)


def _answers_from_cache(state: Clients, client: Client, act: Act) -> bool:
    text = f"node {client.node} answers from attributes that it has cached"
    return state.decisions.ask("stale-attributes", act[0], act[1], text) > 0


def _is_held_back(state: Clients, client: Client, act: Act, inode: Inode, known: Known) -> bool:
    """Whether the attributes are those before what another client holds back."""
    if state.tree.accesses is not None:
        state.tree.accesses.append((flush_of(inode), READ))
    held = state.unflushed.get(inode)
    if held is None or held.client is client or held.attributes.changed == inode.changed:
        return False
    text = f"node {held.client.node} has not sent yet what it wrote"
    if not state.decisions.ask("unflushed", act[0], act[1], text):
        flushed(state, inode)
        return False
    state.save(known)
    known.old, known.change = Old(held.attributes), held.attributes.changed
    return True


def _note(state: Clients, inode: Inode) -> None:
    """What an answer from the cache depends on, as the server's own would."""
    if state.tree.accesses is not None:
        state.tree.accesses.append((attributes_thing(inode.number), READ))
        if inode.entries is NO_ENTRIES and inode.text is None:
            state.tree.accesses.append((data(inode.number), READ))


def _listed(state: Clients, client: Client, known: Known, directory: Inode) -> None:
    if not known.held:
        state.save(known)
        known.held = True
    if state.mount.rdirplus and state.mount.lookupcache != "none":
        for name in directory.entries:
            if known.names.get(name) is not CURRENT:
                state.journal.put(known.names, name, CURRENT)


def _cached_listing(state: Clients, client: Client, act: Act, old: Any, given: Any) -> Any:
    """What is given of the entries that were read before; None for none of them."""
    page = state.mount.page_entries
    text = f"node {client.node} gives entries that it has cached"
    value = state.decisions.ask("stale-listing", act[0], act[1], text, 3 if len(old) > page else 2)
    if value == 0:
        return None
    if value == 1:
        return old
    last = old[page - 1][0]
    return (*old[:page], *(entry for entry in given if entry[0] > last))
