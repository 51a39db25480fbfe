"""What real file systems do in different ways: an errno, the order of a scan, times that tie, inode numbers.

Here the ranks get to see one of the allowed ways, as the options of the profile say or by a choice of the tape.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from hashlib import blake2b
from itertools import permutations
from math import factorial
from random import Random
from typing import Any, Final

import msgspec

from simulator.filesystems.interface import Attributes
from simulator.filesystems.posix.errors import failure
from simulator.filesystems.views.layers import Decisions, Journal, Layer, Server
from simulator.filesystems.views.parameters import Variations
from simulator.operations import CHANGING, Lock, Operation, Readdir, Rename, Stat

_ALL_ORDERS: Final = 3
"""Up to so many entries, every order of a scan is a choice of its own."""
_ORDERS: Final = 8
"""Of more entries there are so many: by name, the reverse, and fixed shuffles."""

Entry = tuple[str, int, int]


class Varied:
    """The layer; implements ``layers.Layer``. It lies over ``below``, which is over ``server``."""

    def __init__(
        self, server: Server, below: Layer, decisions: Decisions, journal: Journal, variations: Variations
    ) -> None:
        self._server = server
        self._below = below
        self._perform = below.perform
        self._decisions = decisions
        self._journal = journal
        self._variations = variations
        self.unordered: bool = getattr(below, "unordered", False)
        self.digest = getattr(below, "digest", server.digest)
        self._ties = variations.mtime == "ties"
        self._reuses = variations.inodes == "reused"
        self._last_change = 0
        self._times: dict[int, int] = {}
        self._made: tuple[int, ...] = ()
        self._numbers: dict[int, int] = {}

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        kind = type(operation)
        if kind in CHANGING:
            return self._changed(rank, operation, now)
        given = self._perform(rank, operation, now)
        if kind is Readdir:
            return self._scanned(rank, operation, given)
        if kind is Stat and (self._times or self._numbers):
            return self._shown(given)
        return given

    def release(self, rank: int) -> None:
        """See ``Filesystem.release``."""
        self._below.release(rank)

    def would_wait(self, rank: int, operation: Lock) -> bool:
        """See ``PosixModel.would_wait``."""
        return self._below.would_wait(rank, operation)

    def restart(self) -> None:
        """See ``Layer.restart``. Nothing of this is in a cache."""
        self._below.restart()

    def mtime_order(self) -> Sequence[tuple[str, int]]:
        """See ``PosixModel.mtime_order``, with the ties that were chosen."""
        if not self._times:
            return self._below.mtime_order()
        tree = self._server.tree
        found = [("", tree.root.modified), *((path, inode.modified) for path, inode in self._server.walk_files())]
        times = [(path, self._times.get(time, time)) for path, time in found]
        places = {time: place for place, time in enumerate(sorted({time for _, time in times}))}
        return tuple((path, places[time]) for path, time in times)

    def _changed(self, rank: int, operation: Operation, now: int) -> Any:
        is_rank = rank >= 0
        tie = self._tie(rank, operation) if self._ties and is_rank else False
        made = self._server.tree.created.get(rank, 0) if self._reuses else 0
        try:
            given = self._perform(rank, operation, now)
        except OSError as error:
            if (
                error.errno == errno.ENOTEMPTY
                and type(operation) is Rename
                and self._variations.rename_over != "ENOTEMPTY"
            ):
                raise failure(self._not_empty(rank, operation)) from None
            raise
        if tie:
            self._journal.put(self._times, now, self._times.get(self._last_change, self._last_change))
        if self._ties and is_rank:
            self._journal.set(self, "_last_change", now)
        if self._reuses and is_rank and self._server.tree.created.get(rank, 0) != made:
            self._number(rank, operation, rank + 1 << 32 | made + 1)
        return given

    def _not_empty(self, rank: int, operation: Operation) -> int:
        if self._variations.rename_over == "either" and rank >= 0:
            text = "the directory that is not empty is said to exist"
            return errno.EEXIST if self._decisions.ask("errno", rank, operation, text) else errno.ENOTEMPTY
        return errno.EEXIST if self._variations.rename_over == "EEXIST" else errno.ENOTEMPTY

    def _tie(self, rank: int, operation: Operation) -> bool:
        text = "the change gets the time of the one before it"
        return self._last_change > 0 and self._decisions.ask("tie", rank, operation, text) > 0

    def _number(self, rank: int, operation: Operation, number: int) -> None:
        """A new inode may get the number of one that is gone, the latest of them."""
        there = {inode.number for _, inode in self._server.walk_files()}
        for table in self._server.tree.tables.values():
            there.update(description.inode.number for description in table.opened.values())
        gone = [each for each in self._made if each not in there]
        self._journal.set(self, "_made", (*(each for each in self._made if each in there), number))
        if gone:
            text = "the new inode gets the number of one that was removed"
            if self._decisions.ask("inode", rank, operation, text):
                self._journal.put(self._numbers, number, self._numbers.get(gone[-1], gone[-1]))
                gone.pop()
            self._journal.set(self, "_made", (*gone, *self._made))

    def _scanned(self, rank: int, operation: Operation, given: tuple[Entry, ...]) -> tuple[Entry, ...]:
        if self._numbers:
            given = tuple((name, kind, self._numbers.get(number, number)) for name, kind, number in given)
        order = self._variations.listing
        if order == "reverse":
            return given[::-1]
        if order == "hash":
            return tuple(sorted(given, key=lambda entry: blake2b(entry[0].encode("utf-8", "surrogateescape")).digest()))
        if order == "any" and len(given) > 1 and rank >= 0:
            options = factorial(len(given)) if len(given) <= _ALL_ORDERS else _ORDERS
            value = self._decisions.ask("listing", rank, operation, "the scan comes in another order", options)
            return _in_order(given, value)
        return given

    def _shown(self, given: Attributes) -> Attributes:
        times, numbers = self._times, self._numbers
        return msgspec.structs.replace(
            given,
            inode=numbers.get(given.inode, given.inode),
            modified=times.get(given.modified, given.modified),
            changed=times.get(given.changed, given.changed),
            accessed=times.get(given.accessed, given.accessed),
        )


class Strong:
    """The layer that lets everything through: what every node sees is what there is."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.perform = server.perform
        self.release = server.release
        self.would_wait = server.would_wait
        self.mtime_order = server.mtime_order

    def restart(self) -> None:
        """See ``Layer.restart``."""


def _in_order(given: tuple[Entry, ...], value: int) -> tuple[Entry, ...]:
    """The ``value``-th order of the entries; 0 is that of names."""
    if value == 0:
        return given
    if len(given) <= _ALL_ORDERS:
        return list(permutations(given))[value]
    if value == 1:
        return given[::-1]
    shuffled = list(given)
    Random(f"ckptrace listing {value}").shuffle(shuffled)
    return tuple(shuffled)
