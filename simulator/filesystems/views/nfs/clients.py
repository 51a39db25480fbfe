"""The clients of all nodes beside the server: what they hold, and the steps by which that changes."""

from __future__ import annotations

from typing import Final, TypeAlias

from simulator.filesystems.posix.content import Content
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.views.layers import Decisions, Journal, Server, attributes_of, listing_of
from simulator.filesystems.views.nfs.knowledge import CURRENT, UNKNOWN, Client, Known, Mount, Old, is_gone
from simulator.operations import Mode, Operation, Thing

READ: Final = Mode.READ
UPDATE: Final = Mode.UPDATE
WRITE: Final = Mode.WRITE

Act: TypeAlias = tuple[int, Operation, int]
"""What is being done: by which rank, which operation, at which time."""


class Unflushed:
    """What a client has written to a file since it last sent it to the server: the file is as before for others."""

    __slots__ = ("attributes", "client", "content")

    def __init__(self, client: Client, inode: Inode) -> None:
        self.client = client
        self.content: Content = inode.content
        self.attributes = attributes_of(inode)


class Clients:
    """Everything that the clients hold.

    ``unflushed`` are the files of which a client holds back what it wrote. ``now`` is the time of the latest operation.
    """

    __slots__ = (
        "_kept", "clients", "decisions", "journal", "mount", "now", "per_node", "perform", "remembers_all", "server",
        "tree", "unflushed",
    )  # fmt: skip

    def __init__(
        self, server: Server, decisions: Decisions, journal: Journal, mount: Mount, nodes: int, per_node: int
    ) -> None:
        self.server = server
        self.perform = server.perform
        self.tree = server.tree
        self.decisions = decisions
        self.journal = journal
        self.mount = mount
        self.remembers_all = mount.lookupcache == "all"
        self.per_node = per_node
        self.clients = [Client(node) for node in range(nodes)]
        self.unflushed: dict[Inode, Unflushed] = {}
        self.now = 0
        self._kept: list[tuple[Known, str | None]] = []

    def client_of(self, rank: int) -> Client:
        """The client of the rank's node; ranks of one node share it."""
        return self.clients[rank // self.per_node]

    def restart(self) -> None:
        """All clients begin anew, with empty caches."""
        self.tree = self.server.tree
        self.journal.set(self, "clients", [Client(node) for node in range(len(self.clients))])
        self.journal.set(self, "unflushed", {})

    # -- steps that can be undone --------------------------------------------------------------------------------

    def save(self, known: Known) -> None:
        """Before the fields of ``known`` change."""
        if self.journal.log is not None:
            self.journal.log.append((known.restore, *known.fields()))

    # -- what the clients learn ----------------------------------------------------------------------------------

    def known(self, client: Client, inode: Inode, act: Act) -> Known:
        """What the client knows of an inode, asking the server where it knows nothing or no longer trusts it."""
        known = client.known.get(inode)
        if known is None or (act[2] >= known.expires and self.moment(act) >= known.expires):
            return self.fetch(client, inode, act)
        if self.tree.accesses is not None:
            self.tree.accesses.append((record_of(inode, client), READ))
        return known

    def fetch(self, client: Client, inode: Inode, act: Act) -> Known:
        """The client asks the server for the inode's attributes: what it knew goes if they have changed.

        The timeout starts at the least, doubles when it has passed without a change and goes back to the least with
        one (fs/nfs/inode.c; nfs(5), section "Attribute caching").
        """
        if self.tree.accesses is not None:
            self.tree.accesses += [(record_of(inode, client), WRITE), (change_of(inode), READ)]
        known, moment = client.known.get(inode), self.moment(act)
        if known is None:
            known = Known(inode.changed, moment, self.mount.least(inode))
            self.journal.put(client.known, inode, known)
            return known
        self.save(known)
        if known.change != inode.changed:
            known.forget()
            known.change = inode.changed
            known.timeout, known.since = self.mount.least(inode), moment
        elif moment >= known.since + known.timeout:
            known.timeout, known.since = min(2 * known.timeout, self.mount.most(inode)), moment
        known.old = None
        known.expires = moment + known.timeout
        return known

    def moment(self, act: Act) -> int:
        """What time it is for the task that acts; never later than the time of the change that it makes."""
        acting = self.decisions.acting
        return act[2] if acting is None else acting(act[0], act[1])[2]

    def learn(self, known: Known, name: str, child: Inode | None) -> None:
        """The client has looked a name up and remembers what it found, if it is mounted so."""
        if self.remembers_all and self.journal.log is None:
            known.names[name] = CURRENT
        elif self.mount.remembers(child):
            self.journal.put(known.names, name, CURRENT)
        else:
            self.journal.drop(known.names, name)

    # -- what the clients of others get to keep ------------------------------------------------------------------

    def before_change(self, client: Client, inode: Inode, name: str | None = None) -> None:
        """The client is about to have an inode changed, or a name in it: others go on to believe what is so now."""
        for other in self.clients:
            if other is client:
                continue
            known = other.known.get(inode)
            if known is None:
                continue
            if known.old is None:
                self._keep(known, inode)
                self._kept.append((known, None))
            if name is not None and known.names.get(name) is CURRENT:
                self.journal.put(known.names, name, inode.entries.get(name))
                self._kept.append((known, name))

    def all_changed(self) -> None:
        """What ``before_change`` has announced has happened."""
        self._kept.clear()

    def nothing_changed(self) -> None:
        """What ``before_change`` has announced since the last change has not happened."""
        for known, name in self._kept:
            if name is None:
                self.save(known)
                known.old = None
            else:
                self.journal.put(known.names, name, CURRENT)
        self._kept.clear()

    def after_change(self, client: Client, inode: Inode, before: int, act: Act, name: str | None = None) -> None:
        """The client has had an inode changed, whose ctime was ``before``, or a name in it.

        The reply tells whether somebody else had changed it meanwhile (weak cache consistency data of NFSv3,
        change_info4 of NFSv4). If so, nothing that is known of it holds. A directory's entries are to be read anew.
        """
        acting = self.decisions.acting
        moment = act[2] if acting is None else acting(act[0], act[1])[2]
        known = client.known.get(inode)
        if self.tree.accesses is not None:
            self.tree.accesses += [(record_of(inode, client), WRITE), (change_of(inode), WRITE)]
            if name is not None:
                self.tree.accesses.append((belief_of(inode, client, name), WRITE))
        if known is None:
            known = Known(inode.changed, moment, self.mount.least(inode))
            self.journal.put(client.known, inode, known)
        else:
            if self.journal.log is not None:
                self.save(known)
            if known.change != before:
                known.forget()
                known.timeout, known.since = self.mount.least(inode), moment
            known.change = inode.changed
            known.expires = moment + known.timeout
            known.old = None
            if inode.entries is not NO_ENTRIES:
                known.held = False
        if name is not None:
            self.learn(known, name, inode.entries.get(name))

    def _keep(self, known: Known, inode: Inode) -> None:
        self.save(known)
        entries = content = None
        if known.held:
            if inode.entries is not NO_ENTRIES:
                entries = listing_of(inode)
            else:
                content = inode.content
        known.old = Old(attributes_of(inode), entries, content)


def believes_otherwise(known: Known, name: str, child: Inode | None) -> bool:
    """Whether the client believes something else of a name than that it leads to ``child``."""
    believed = known.names.get(name, UNKNOWN)
    return believed is not CURRENT and believed is not UNKNOWN and believed is not child


def change_of(inode: Inode) -> Thing:
    """That an inode has changed, as a client sees it by the change attribute."""
    return (inode.number, "@change")


def record_of(inode: Inode, client: Client) -> Thing:
    """What a client knows of an inode, but for single names in it."""
    return (inode.number, f"@{client.node}")


def belief_of(inode: Inode, client: Client, name: str) -> Thing:
    """What a client believes of one name in a directory."""
    return (inode.number, f"@{client.node}/{name}")


def flush_of(inode: Inode) -> Thing:
    """Whether some client holds back what it wrote to a file."""
    return (inode.number, "@flush")


def opens_of(inode: Inode, client: Client) -> Thing:
    """Whether a client has a file open."""
    return (inode.number, f"@{client.node} open")


__all__ = [
    "READ", "UPDATE", "WRITE", "Act", "Clients", "Unflushed", "belief_of", "believes_otherwise", "change_of",
    "flush_of", "is_gone", "opens_of", "record_of",
]  # fmt: skip
