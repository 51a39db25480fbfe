"""A file system made of a server and of layers through which the ranks see it, and how to undo what they did.

A choice is offered only where its values differ in what the rank gets to see. Its address is the operation of the task
that asks, so that undoing one shifts no other. 0 is what an undisturbed run gets: the fresh answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from simulator.filesystems.interface import DIRECTORY_SIZE, Attributes
from simulator.filesystems.posix.content import Content, size_of
from simulator.filesystems.posix.inode import NO_ENTRIES, Inode
from simulator.filesystems.posix.scratch import is_about_scratch
from simulator.filesystems.posix.tree import Tree, Undo, undo
from simulator.operations import Access, Lock, Mode, Operation, Thing

Choose: TypeAlias = Callable[[str, int, int, int, str], int]
"""(kind, task, n, options, text): the value for the n-th operation of a task, at least 0 and less than ``options``.

``text`` says in words what it means that the value is not 0."""

Acting: TypeAlias = Callable[[int, Operation], tuple[int, int, int]]
"""(rank, operation): the task of the rank that does the operation now, its n, and the task's clock (nanoseconds)."""

GROUPS: Final[Mapping[str, str]] = {
    "stale-name": "stale",
    "stale-target": "stale",
    "stale-attributes": "stale",
    "stale-data": "stale",
    "stale-listing": "stale",
    "unflushed": "stale",
    "resent": "resent",
    "timeout": "timeouts",
    "estale": "stale",
    "errno": "variations",
    "listing": "variations",
    "tie": "variations",
    "inode": "variations",
    "mtime": "made_up",
}
"""The kinds of choices, each with the option of the profile that bounds how many of them a run may have."""


ANSWERED: Final[Access] = ((-(1 << 41), "@answered"), Mode.READ)
"""Among the accesses of an operation: it was answered otherwise than undisturbed. Nothing conflicts with that."""

_IN_WORDS: Final = {
    "stale": "stale answer",
    "resent": "lost reply",
    "timeouts": "time-out",
    "variations": "variation",
    "made_up": "made-up time",
}


def bounds_in_words(bounds: Mapping[str, int | None]) -> list[str]:
    """What a verdict must name of the choices that a file system had, as ``GROUPS`` groups them."""
    said = []
    for group, bound in bounds.items():
        if bound != 0:
            what = _IN_WORDS[group]
            said.append(f"{what}s" if bound is None else f"up to {bound} {what}{'s' if bound > 1 else ''}")
    return said


def is_of_client(thing: Thing) -> bool:
    """Whether this is about what clients hold: nobody finds it when they are gone, and to look may change it."""
    return thing[1].startswith("@")


class Decisions:
    """Asks for choices. Without ``begin`` every choice is 0.

    ``acting`` tells which task acts; without it, the time that it is for a task is that of the change that it makes.
    """

    __slots__ = ("_choose", "_server", "acting")

    def __init__(self, server: Server) -> None:
        self._server = server
        self._choose: Choose | None = None
        self.acting: Acting | None = None

    def begin(self, choose: Choose | None, acting: Acting | None) -> None:
        """Whom to ask from now on, and who knows which task acts."""
        self._choose = choose
        self.acting = acting

    def ask(self, kind: str, rank: int, operation: Operation, text: str, options: int = 2) -> int:
        """The value of one choice."""
        if self._choose is None:
            return 0
        task, n = self.acting(rank, operation)[:2] if self.acting is not None else (rank, 0)
        value = self._choose(kind, task, n, options, text)
        if value and self._server.accesses is not None:
            self._server.accesses.append(ANSWERED)
        return value


class Server(Protocol):
    """A strong file system. See ``PosixModel`` for what each of this does."""

    accesses: list[Access] | None

    @property
    def tree(self) -> Tree: ...
    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any: ...
    def release(self, rank: int) -> None: ...
    def would_wait(self, rank: int, operation: Lock) -> bool: ...
    def lose_scratch(self, node: int) -> None: ...
    def digest(self) -> int: ...
    def mark(self) -> int: ...
    def rollback(self, mark: int) -> None: ...
    def forget(self, mark: int) -> None: ...
    def walk_files(self) -> Iterator[tuple[str, Inode]]: ...
    def mtime_order(self) -> Sequence[tuple[str, int]]: ...


_MISSING: Final = object()


class Journal:
    """``log`` is None while no mark is set; else each step leaves in it how to undo it."""

    __slots__ = ("log",)

    def __init__(self) -> None:
        self.log: list[Undo] | None = None

    def put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        """Set one entry of a table."""
        if self.log is not None:
            self.log.append((_restore_entry, table, key, table.get(key, _MISSING)))
        table[key] = value

    def drop(self, table: dict[Any, Any], key: Any) -> None:
        """Remove one entry of a table, if it is there."""
        if key in table:
            if self.log is not None:
                self.log.append((_restore_entry, table, key, table[key]))
            del table[key]

    def set(self, owner: Any, field: str, value: Any) -> None:
        """Set a field of an object."""
        if self.log is not None:
            self.log.append((setattr, owner, field, getattr(owner, field)))
        setattr(owner, field, value)

    def undo(self, length: int) -> None:
        """Undo the latest steps until ``length`` are left."""
        assert self.log is not None
        undo(self.log, length)


def _restore_entry(table: dict[Any, Any], key: Any, value: Any) -> None:
    if value is _MISSING:
        table.pop(key, None)
    else:
        table[key] = value


def attributes_of(inode: Inode, content: Content | None = None) -> Attributes:
    """What a stat of the inode tells now; of another ``content`` where one is given."""
    if inode.entries is not NO_ENTRIES:
        size = DIRECTORY_SIZE
    elif inode.text is not None:
        size = len(inode.text.encode("utf-8", "surrogateescape"))
    else:
        size = size_of(inode.content if content is None else content)
    return Attributes(
        inode.mode, inode.number, inode.links, size, inode.uid, inode.gid, 1, inode.accessed, inode.modified,
        inode.changed,
    )  # fmt: skip


def listing_of(directory: Inode) -> tuple[tuple[str, int, int], ...]:
    """What a scan of the directory gives now."""
    entries = directory.entries
    return tuple([(name, entries[name].mode & 0o170000, entries[name].number) for name in sorted(entries)])


def path_of(inode: Inode) -> str:
    """Where the server has an inode that is not gone: one path of it."""
    names: list[str] = []
    while inode.parent is not None and inode.parent is not inode:
        names.append(inode.name)
        inode = inode.parent
    return "/".join(reversed(names))


class Layer(Protocol):
    """Carries operations out, by those of what is below it."""

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        ...

    def release(self, rank: int) -> None:
        """See ``Filesystem.release``."""
        ...

    def would_wait(self, rank: int, operation: Lock) -> bool:
        """See ``PosixModel.would_wait``."""
        ...

    def mtime_order(self) -> Sequence[tuple[str, int]]:
        """See ``PosixModel.mtime_order``."""
        ...

    def restart(self) -> None:
        """The job starts anew, on nodes that have nothing cached."""
        ...


class LayeredFilesystem:
    """A ``Filesystem`` that can be put back. ``layer`` is the topmost one; what it needs undone is in ``journal``.

    A judgement, and the first operations of a restarted job, find empty caches: how long a restart takes is not known,
    but the caches live no longer than some tens of seconds. ``server`` is what all layers are over. ``bounds`` says of
    each group of choices (see ``GROUPS``) how many of an attempt may be other than 0; None: as many as it offers.
    ``unordered``: the layers do not tell what operations touch, so that nobody knows which of them commute. ``digest``
    names what a restart would see, which has empty caches: see ``PosixModel.digest``.
    """

    __slots__ = ("_decisions", "_journal", "_layer", "_marks", "bounds", "digest", "server", "unordered")

    def __init__(
        self,
        server: Server,
        layer: Layer,
        decisions: Decisions,
        journal: Journal,
        bounds: Mapping[str, int | None],
    ) -> None:
        self.server = server
        self._layer = layer
        self._decisions = decisions
        self._journal = journal
        self._marks: list[int] = []
        self.bounds = bounds
        self.unordered: bool = getattr(layer, "unordered", False)
        self.digest: Callable[[], int] = getattr(layer, "digest", server.digest)

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``. No layer is between a node and its scratch."""
        if is_about_scratch(self.server.tree, rank, operation):
            return self.server.perform(rank, operation, now)
        return self._layer.perform(rank, operation, now)

    def begin(self, choose: Choose | None, acting: Acting | None = None) -> None:
        """An attempt of the job begins, on empty caches.

        From now on its choices are asked for, and ``acting`` tells which task acts and what time it is for it.
        """
        self._decisions.begin(choose, acting)
        self._layer.restart()

    def release(self, rank: int) -> None:
        """See ``Filesystem.release``."""
        self._layer.release(rank)

    def release_all(self) -> None:
        """Every process has ended, as when the job dies."""
        for rank in sorted(self.server.tree.tables):
            self._layer.release(rank)
        self._layer.restart()

    def lose_power(self, lost: int) -> None:
        """See ``DurableModel.lose_power``, which the server must be. Caches do not outlive that."""
        self.server.lose_power(lost)  # type: ignore[attr-defined]
        self._layer.restart()

    def would_wait(self, rank: int, operation: Lock) -> bool:
        """See ``PosixModel.would_wait``."""
        if is_about_scratch(self.server.tree, rank, operation):
            return self.server.would_wait(rank, operation)
        return self._layer.would_wait(rank, operation)

    def lose_scratch(self, node: int) -> None:
        """See ``Filesystem.lose_scratch``."""
        self.server.lose_scratch(node)

    @property
    def accesses(self) -> list[Access] | None:
        """See ``PosixModel.accesses``; with what the layers touch."""
        return self.server.accesses

    @accesses.setter
    def accesses(self, accesses: list[Access] | None) -> None:
        self.server.accesses = accesses

    def mark(self) -> int:
        """See ``PosixModel.mark``."""
        if self._journal.log is None:
            self._journal.log = []
        self._marks.append(len(self._journal.log))
        return self.server.mark()

    def rollback(self, mark: int) -> None:
        """See ``PosixModel.rollback``."""
        self._journal.undo(self._marks[mark])
        self.server.rollback(mark)
        self._forget(mark)

    def forget(self, mark: int) -> None:
        """See ``PosixModel.forget``."""
        self.server.forget(mark)
        self._forget(mark)

    def _forget(self, mark: int) -> None:
        del self._marks[mark:]
        if not self._marks:
            self._journal.log = None

    def walk_files(self) -> Iterator[tuple[str, Inode]]:
        """See ``PosixModel.walk_files``."""
        return self.server.walk_files()

    def mtime_order(self) -> Sequence[tuple[str, int]]:
        """See ``PosixModel.mtime_order``."""
        return self._layer.mtime_order()
