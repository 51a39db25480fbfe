"""What holds of every program on NFS: with fresh answers it is the server, and whatever is done can be undone."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import Any

import pytest

from simulator.filesystems import PosixModel
from simulator.filesystems.posix.content import size_of
from simulator.filesystems.views.layers import LayeredFilesystem
from simulator.filesystems.views.nfs.clients import Clients
from simulator.filesystems.views.nfs.knowledge import Known
from simulator.operations import Lock, Rename, Stat, Unlink
from tests.filesystems.generation import RANKS, Writer
from tests.filesystems.outcomes import Failed, Inodes, alike, outcome, tree, unspecified
from tests.filesystems.states import state_of
from tests.filesystems.views.machines import SECOND, Machines, nfs

OPTIONS: list[dict[str, Any]] = [
    {}, {"vers": 3}, {"noac": True}, {"lookupcache": "pos"}, {"lookupcache": "none"}, {"nocto": True},
    {"acregmin": 0.00001, "acdirmin": 0.00002, "acdirmax": 0.00005}, {"rdirplus": False, "page_entries": 1},
]  # fmt: skip


class Choosing:
    """Answers every choice at random."""

    def __init__(self, random: Random, part: float) -> None:
        self.random = random
        self.part = part
        self.made = 0

    def __call__(self, kind: str, task: int, n: int, options: int, text: str) -> int:
        if self.random.random() >= self.part:
            return 0
        self.made += 1
        return self.random.randrange(1, options)


def is_of_nfs(views: LayeredFilesystem, given: Any) -> bool:
    """Whether a handle was stale, or a file was deleted that is open: from there on the two go different ways."""
    if isinstance(given, Failed) and given.code in ("ESTALE", "EBUSY"):
        return True
    return any(path.split("/")[-1].startswith(".nfs") for path, _ in views.walk_files())


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_with_fresh_answers_every_rank_sees_what_the_server_has(options: dict[str, Any]) -> None:
    assert sum(compared(seed, options) for seed in range(80)) > 2_500


def compared(seed: int, options: dict[str, Any]) -> int:
    """Carry a program out on NFS and on the model, each rank on a node of its own; the number of equal results."""
    views, model = nfs(RANKS, **options), PosixModel()
    inodes, program = Inodes(), Writer(Random(seed), crowded=seed % 2 > 0).program(300)
    rank, operation = next(program)
    for now in count(1):
        given = None
        if not isinstance(operation, Lock) and not unspecified(model, rank, operation):
            given, expected = (outcome(each, rank, operation, now * 1_000) for each in (views, model))
            if is_of_nfs(views, given):
                return now
            assert alike(given, expected, inodes), (seed, now, rank, operation, given, expected)
        try:
            rank, operation = program.send(given)
        except StopIteration:
            assert list(tree(views.server)) == list(tree(model))
            return now
    raise AssertionError


def grown(random: Random, length: int, options: dict[str, Any]) -> tuple[LayeredFilesystem, Writer, Choosing]:
    views, writer, choosing = nfs(2, 2, **options), Writer(random, crowded=True), Choosing(random, 0.5)
    views.begin(choosing)
    for now in range(1, length + 1):
        rank = random.randrange(RANKS)
        operation = writer.operation(rank)
        writer.note(rank, operation, outcome(views, rank, operation, now * 1_000))
    return views, writer, choosing


def whole(views: LayeredFilesystem) -> Any:
    clients = views._layer._state  # type: ignore[attr-defined]
    return state_of(views.server), views.mtime_order(), held_by(clients)  # type: ignore[arg-type]


def held_by(clients: Clients) -> Any:
    """Everything that clients hold, inodes by their numbers."""
    unflushed = {
        inode.number: (held.client.node, held.content, held.attributes) for inode, held in clients.unflushed.items()
    }
    return unflushed, [
        (
            {inode.number: known_in_words(known) for inode, known in client.known.items()},
            {inode.number: (place[0].number, place[1]) for inode, place in client.silly.items()},
            sorted(inode.number for inode in client.removed),
            client.renamed,
        )
        for client in clients.clients
    ]


def known_in_words(known: Known) -> Any:
    names = {
        name: believed.number if hasattr(believed, "number") else str(believed)  # type: ignore[union-attr]
        for name, believed in known.names.items()
    }
    return known.change, known.expires, known.timeout, known.since, names, known.held, known.old


@pytest.mark.parametrize("options", [*OPTIONS, {"resent": 5, "timeouts": 5, "soft": "EIO"}], ids=str)
def test_rollback_restores_the_server_and_all_that_clients_hold(options: dict[str, Any]) -> None:
    made = 0
    for seed in range(12):
        random = Random(seed)
        views, writer, choosing = grown(random, 100, options)
        marks = []
        for depth in range(1, 5):
            marks.append((whole(views), views.mark()))
            for now in range(20):
                rank = random.randrange(RANKS)
                outcome(views, rank, writer.operation(rank), (1_000 * depth + now) * 1_000)
            if random.random() < 0.3:
                views.release(random.randrange(RANKS))
            if random.random() < 0.2:
                views.release_all()
        while marks:
            position = random.randrange(len(marks))
            expected, mark = marks[position]
            del marks[position:]
            views.rollback(mark)
            assert whole(views) == expected
        made += choosing.made
    assert made or "noac" in options, "nothing was ever stale"


def test_a_stale_answer_was_true_within_the_time_that_it_may_be_trusted() -> None:
    stale = 0
    for seed in range(40):
        random, node = Random(seed), Machines(nfs(2))
        past: list[tuple[int, dict[str, int]]] = []
        sizes: dict[int, set[int]] = {}
        for _ in range(60):
            node.later(random.choice((0, 0, 1, 5, 20, 40)))
            change_something(node, random)
            there = dict(node.filesystem.walk_files())
            past.append((node.now, {path: inode.number for path, inode in there.items()}))
            for inode in there.values():
                sizes.setdefault(inode.number, {0}).add(size_of(inode.content))
            rank, name = random.randrange(2), random.choice("abc")
            given = node.do(rank, Stat(name), stale_name=1, stale_attributes=1, unflushed=1)
            stale += any(kind.startswith("stale") for kind in node.offered)
            older = [names for then, names in past if node.now - then > 60 * SECOND]
            trees = [*older[-1:], *(names for _, names in past[len(older) :])]
            number = None if isinstance(given, str) else given.inode
            assert any(names.get(name) == number for names in trees), seed
            assert number is None or given.size in sizes[number], seed
    assert stale > 150


def change_something(node: Machines, random: Random) -> None:
    """One node makes, moves, removes or writes a file."""
    rank, name, other = random.randrange(2), random.choice("abc"), random.choice("abc")
    match random.randrange(4):
        case 0:
            node.create(rank, name, b"x" * random.randrange(5))
        case 1:
            node.do(rank, Rename(name, other))
        case 2:
            node.do(rank, Unlink(name))
        case 3:
            node.exists(rank, name)
