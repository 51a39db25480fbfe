"""From a path to an inode as a client walks it: name by name, each from its cache where it trusts that.

Where nothing that the client believes differs from what the server has, the walk is the server's. Where something
does, the client may have forgotten it (a cache can always lose something), so both answers are allowed: the fresh one,
and the stale one if the client still trusts it. With several differences on the way, the first of them may be trusted
and later ones not.

Sources of the rules: fs/nfs/dir.c of Linux (``nfs_lookup_revalidate``, ``nfs_neg_need_reval``,
``nfs_lookup_verify_inode``, ``nfs4_lookup_revalidate``), nfs(5), sections "Attribute caching" and "Directory entry
caching", and fs/namei.c (``retry_estale``): a path that leads over a handle that the server no longer knows is walked
once more, asking the server at every name.
"""

from __future__ import annotations

import errno
from enum import Enum
from typing import Final, TypeAlias

import msgspec

from simulator.filesystems.interface import LINK_TO_ROOT
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.posix.paths import Path, parse
from simulator.filesystems.posix.walk import LINK_LIMIT
from simulator.filesystems.views.nfs.clients import (
    READ,
    UPDATE,
    WRITE,
    Act,
    Clients,
    belief_of,
    believes_otherwise,
    change_of,
)
from simulator.filesystems.views.nfs.knowledge import CURRENT, UNKNOWN, Client, is_gone
from simulator.operations import attributes, links, name_in

_EVERYTHING: Final = 1 << 30
_SPECIAL: Final = frozenset({"", ".", ".."})


class Last(Enum):
    """Who decides about the last name of a path.

    ``CLIENT``: the client, and no request need be sent (stat). ``HANDLE``: the client, and a request is sent with the
    handle that it has (chmod). ``OPENED``: as HANDLE, but an open asks the server about the inode (close-to-open), and
    with NFSv4 an open of a regular file goes by name. ``CREATED``: as OPENED, with O_CREAT: whether a name is absent,
    the server decides. ``PRESENT``: the client may believe that a name is absent, else the request goes to the server
    by name (unlink, the source of a rename). ``SERVER``: the server alone (mkdir, O_EXCL, the target of a rename).
    """

    CLIENT = 0
    HANDLE = 1
    OPENED = 2
    PRESENT = 3
    SERVER = 4
    CREATED = 5


_BY_NAME: Final = frozenset({Last.PRESENT, Last.SERVER})


Place: TypeAlias = tuple[Inode, str, Inode | None, bool]
"""Where a path leads: a directory, a name in it, and the inode under that name, or None.

At the end, whether it is stale: the client was led elsewhere than the server would lead it, so that a request is to be
made of what was found, not of the path."""


_SERVER: Final = Last.SERVER


class _End(msgspec.Struct, frozen=True, gc=False):
    """Where a walk ended.

    ``trusted``: so many beliefs that differ from the server were trusted. ``error`` is an errno that the walk itself
    ended with. ``lost``: it came to a handle that the server no longer knows, and is to be walked anew.
    """

    directory: Inode
    name: str
    inode: Inode | None
    trusted: int = 0
    error: int = 0
    lost: bool = False

    def place(self) -> Place:
        return self.directory, self.name, self.inode, self.trusted > 0


def start_of(state: Clients, client: Client, rank: int, at: int | None) -> Inode | None:
    """Where a path begins; None where the descriptor is none of a directory. Raises ESTALE.

    A handle that another client has removed is stale at once, since there is no path by which to find another
    (namei(7) of Linux retries paths only). What this client removed itself it knows to be empty.
    """
    if at is None:
        return state.tree.root
    table = state.tree.tables.get(rank)
    description = table.opened.get(at) if table is not None else None
    if description is None or description.inode.entries is NO_ENTRIES:
        return None
    directory = description.inode
    if state.tree.accesses is not None:
        state.tree.accesses.append((attributes(directory.number), READ))
    if is_gone(directory) and directory not in client.removed:
        raise failure(errno.ESTALE)
    return directory


def resolve(
    state: Clients,
    client: Client,
    act: Act,
    path: str,
    at: int | None,
    last: Last,
    follow: bool = True,
    kind: str = "stale-name",
) -> Place | None:
    """Where a path leads; None where only the server can say (its own walk then fails).

    ``kind`` names the choice, of which an operation with two paths has two. Raises what a stale answer is where that
    was chosen: ENOENT, ENOTDIR, ELOOP.
    """
    tree = state.tree
    start = tree.root if at is None else start_of(state, client, act[0], at)
    if start is None or (at is not None and not path):
        return None
    try:
        parsed = parse(path)
    except OSError:
        return None
    if parsed.names and tree.accesses is None:
        directory = _quick(state, client, act, start, parsed.directories) if parsed.directories else start
        if directory is not None and directory.links:
            name = parsed.last
            child = directory.entries.get(name)
            if last is _SERVER:
                return directory, name, child, False
            if not parsed.slash and (child is None or child.text is None):
                known = client.known.get(directory)
                if known is None or act[2] >= known.expires:
                    known = state.known(client, directory, act)
                believed = known.names.get(name, UNKNOWN)
                if believed is CURRENT:
                    return directory, name, child, False
                if believed is UNKNOWN or believed is child:
                    if state.mount.vers == 3:
                        known = state.fetch(client, directory, act)
                    state.learn(known, name, child)
                    return directory, name, child, False
    if parsed.last in _SPECIAL and last in _BY_NAME:
        return None
    return _with_care(_Walk(state, client, act, last, follow), start, parsed, path, kind)


def _with_care(walk: _Walk, start: Inode, parsed: Path, path: str, kind: str) -> Place:
    first = walk.over(start, parsed, _EVERYTHING)
    if first.trusted and not first.lost:
        value = walk.choose(kind, path, first.trusted + 1)
        if value:
            end = walk.over(start, parsed, first.trusted - value + 1)
            if not end.lost:
                if end.error or (end.inode is None and walk.last is not _SERVER):
                    raise failure(end.error or errno.ENOENT)
                return end.place()
    if not first.trusted and not first.lost:
        return first.place()
    return walk.over(start, parsed, 0).place()


def _quick(state: Clients, client: Client, act: Act, start: Inode, names: tuple[str, ...]) -> Inode | None:
    """The directory that plain names lead to if the client believes nothing that is not so; None: there is more to it.

    The directory is one that is there.
    """
    found = start
    for name in names:
        child = found.entries.get(name)
        if child is None or not found.links:
            return None
        known = client.known.get(found)
        if known is None or act[2] >= known.expires:
            known = state.known(client, found, act)
        believed = known.names.get(name, UNKNOWN)
        if believed is not CURRENT:
            if believed is not UNKNOWN and believed is not child:
                return None
            if state.mount.vers == 3:
                known = state.fetch(client, found, act)
            state.learn(known, name, child)
        found = child
    return found if found.entries is not NO_ENTRIES and found.links else None


class _Walk:
    """The walks of one path."""

    def __init__(self, state: Clients, client: Client, act: Act, last: Last, follow: bool) -> None:
        self._state = state
        self._client = client
        self._act = act
        self.last = last
        self._follow = follow

    def choose(self, kind: str, path: str, options: int) -> int:
        """How much of what the client believes it goes by."""
        rank, operation, _ = self._act
        text = f"node {self._client.node} answers from what it has cached of {path!r}"
        return self._state.decisions.ask(kind, rank, operation, text, options)

    def over(self, start: Inode, parsed: Path, limit: int) -> _End:
        """Walk, and trust the first ``limit`` beliefs that differ from the server. The others are looked up anew.

        With ``_EVERYTHING`` this finds out what the client believes: beyond the first difference nothing is learnt.
        """
        state, client, last = self._state, self._client, self.last
        directory = current = start
        parts = _parts(parsed)
        slash = parsed.slash
        trusted = 0
        links = LINK_LIMIT
        name = ""
        while parts:
            name = parts.pop()
            directory = current
            if current.entries is NO_ENTRIES:
                return _End(directory, name, None, trusted, errno.ENOTDIR)
            if name == "..":
                assert current.parent is not None
                current = current.parent
                continue
            if name == ".":
                continue
            if not parts and last is Last.SERVER:
                if is_gone(current) and current not in client.removed:
                    return _End(current, name, None, trusted, lost=True)
                return _End(current, name, current.entries.get(name), trusted)
            if trusted:
                self._ask_about(current)
            child = self._child(current, name, not parts, limit - trusted, trusted > 0 and limit == _EVERYTHING)
            if child is _LOST:
                return _End(current, name, None, trusted, lost=True)
            if child is not current.entries.get(name):
                trusted += 1
            if child is None:
                return _End(current, name, None, trusted, errno.ENOENT if parts else 0)
            if child.text is not None and (parts or self._follow or slash):
                links -= 1
                target = _target(state.tree.root, current, child.text) if links >= 0 else None
                if target is None:
                    return _End(current, name, child, trusted, errno.ELOOP if links < 0 else errno.ENOENT)
                current, further = target
                slash = slash if parts else slash or further.slash
                parts += _parts(further)
                continue
            current = child
        if slash and current.entries is NO_ENTRIES:
            return _End(directory, name, current, trusted, errno.ENOTDIR)
        found = _End(directory, name, current, trusted)
        return self._reached(found) if trusted else found

    def _child(self, directory: Inode, name: str, is_last: bool, left: int, dry: bool) -> Inode | None:
        """What the name leads to for the client; ``_LOST`` where it would have to ask about a removed directory."""
        state, client, act = self._state, self._client, self._act
        child = directory.entries.get(name)
        accesses = state.tree.accesses
        if accesses is not None:
            accesses.append((name_in(directory.number, name), READ))
        if is_gone(directory) and directory not in client.removed:
            # No request about it can be answered: only what is cached, and still trusted, is of use.
            known = client.known.get(directory)
            if known is None or state.moment(act) >= known.expires or not believes_otherwise(known, name, child):
                return _LOST
        elif dry:
            known = client.known.get(directory)
            if known is None or state.moment(act) >= known.expires:
                return child
        else:
            known = state.known(client, directory, act)
        if not believes_otherwise(known, name, child):
            if accesses is not None:
                accesses.append((belief_of(directory, client, name), UPDATE))
            if dry:
                return child
            if known.names.get(name, UNKNOWN) is UNKNOWN and state.mount.vers == 3:
                known = state.fetch(client, directory, act)
            if known.names.get(name, UNKNOWN) is not CURRENT:
                state.learn(known, name, child)
            return child
        believed = known.names[name]
        assert believed is None or isinstance(believed, Inode)
        counts = not is_last or self._counts(believed)
        if left > 0 or not counts:
            if accesses is not None:
                accesses.append((belief_of(directory, client, name), READ))
            return believed if counts else child
        if accesses is not None:
            accesses.append((belief_of(directory, client, name), WRITE))
        if state.mount.vers == 3:
            known = state.fetch(client, directory, act)
        state.learn(known, name, child)
        return child

    def _ask_about(self, inode: Inode) -> None:
        """For footprints: it matters whether the server still has the inode, and whether it has changed."""
        if self._state.tree.accesses is not None:
            self._state.tree.accesses += [(links(inode.number), READ), (change_of(inode), READ)]

    def _counts(self, believed: Inode | None) -> bool:
        """Whether the operation goes by what the client believes of the last name."""
        if believed is None:
            return self.last is not Last.CREATED
        if self.last in (Last.OPENED, Last.CREATED):
            return self._state.mount.vers == 3 or (believed.entries is not NO_ENTRIES and self.last is Last.OPENED)
        return self.last is not Last.PRESENT

    def _reached(self, found: _End) -> _End:
        """What the client was led to, if it can be used: the handle must be known to the server, or not be needed."""
        inode = found.inode
        assert inode is not None
        self._ask_about(inode)
        if not is_gone(inode):
            return found
        if self.last is Last.CLIENT:
            known = self._client.known.get(inode)
            if known is not None and known.old is not None and self._state.moment(self._act) < known.expires:
                return found
        return _End(found.directory, found.name, inode, found.trusted, lost=True)


_LOST: Final = Inode(0, 0, 0)


def _parts(parsed: Path) -> list[str]:
    """The names of a path, the last one first."""
    return [*([parsed.last] if parsed.last else []), *reversed(parsed.directories)]


def _target(root: Inode, directory: Inode, text: str) -> tuple[Inode, Path] | None:
    """Where a symbolic link leads: a start and a path from there; None where it leads out of the tree."""
    if not text.startswith("/"):
        return directory, parse(text)
    if text.startswith(LINK_TO_ROOT) and text[len(LINK_TO_ROOT) : len(LINK_TO_ROOT) + 1] in ("", "/"):
        return root, parse(text[len(LINK_TO_ROOT) :])
    return None
