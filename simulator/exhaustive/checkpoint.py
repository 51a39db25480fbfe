"""A search that was left before its end, as a file from which it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from simulator.errors import UsageError
from simulator.exhaustive.attempts import Start
from simulator.exhaustive.certificate import digest_of_scenario
from simulator.exhaustive.injections import Address
from simulator.exhaustive.judging import Carried
from simulator.exhaustive.search import Counts, Job, Search
from simulator.exhaustive.tree import NOBODY, Node, Sleepers
from simulator.exhaustive.unit import StartKey
from simulator.experiment import Experiment
from simulator.happens_before import Looks, Touched
from simulator.operations import Mode
from simulator.writing import write_whole

Told: TypeAlias = tuple[list[tuple[int, str, int]], list[int]]
"""What a step touched: (inode, facet, mode) of each thing, and the inodes whose tracked times it changed."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One node. ``parent`` is the number of its parent's row, -1 for none. The operation is left out."""

    parent: int
    task: int
    what: Told
    run: bool
    complete: bool
    sleepers: list[tuple[int, Told]]
    able: list[int]
    met: bool
    spent: int


def told(what: Touched) -> Told:
    """The form of ``Touched`` that can be written."""
    return [(inode, facet, int(mode)) for (inode, facet), mode in what.things.items()], sorted(what.stamped)


def heard(what: Told) -> Touched:
    """Inverse of ``told``."""
    things, stamped = what
    return Touched({(inode, facet): Mode(mode) for inode, facet, mode in things}, frozenset(stamped))


def sleepers_told(sleepers: Sleepers) -> list[tuple[int, Told]]:
    """The form of ``Sleepers`` that can be written."""
    return [(task, told(what)) for task, what in sleepers.items()]


def sleepers_heard(sleepers: Sequence[tuple[int, Told]]) -> Sleepers:
    """Inverse of ``sleepers_told``."""
    return {task: heard(what) for task, what in sleepers} or NOBODY


def rows_of(root: Node) -> list[Row]:
    """A tree, each node after its parent, the children of a node in their order."""
    rows: list[Row] = []
    waiting = [(root, -1)]
    while waiting:
        node, parent = waiting.pop()
        waiting += [(child, len(rows)) for child in reversed(node.children)]
        rows.append(
            Row(
                parent,
                node.task,
                told(node.what),
                node.run,
                node.complete,
                sleepers_told(node.sleepers),
                list(node.able),
                node.met,
                node.spent,
            )
        )
    return rows


def tree_of(rows: Sequence[Row], parent: Node | None = None) -> Node:
    """Inverse of ``rows_of``. The root is given a parent, but not made one of its children."""
    nodes: list[Node] = []
    for row in rows:
        above = nodes[row.parent] if row.parent >= 0 else parent
        node = Node(above, row.task, heard(row.what), None)
        node.run, node.complete, node.sleepers = row.run, row.complete, sleepers_heard(row.sleepers)
        node.able, node.met, node.spent = tuple(row.able), row.met, row.spent
        if row.parent >= 0:
            nodes[row.parent].children.append(node)
        nodes.append(node)
    return nodes[0]


_FORMAT = 3
_BYTES = 32
"""Of a state's name: more than the encoder's integers hold."""


class _Key(msgspec.Struct, frozen=True):
    state: bytes
    carried: Carried
    left: tuple[int, int, int, tuple[int, ...]]


class _Job(msgspec.Struct, frozen=True):
    number: int
    start: Start
    plan: list[Address]
    rows: list[Row] | None
    """Its tree, if it has begun."""


class _File(msgspec.Struct, frozen=True):
    format: int
    digest: str
    seconds: float
    looks: Looks
    counts: Counts
    earlier: Counts
    passes: int
    interleaved: bool
    waits: bool
    reason: str | None
    done: int
    classes: list[int]
    states: list[bytes]
    starts: list[_Key]
    plans: list[tuple[int, list[Address]]]
    waiting: list[_Job]
    reached: list[int] = []


def save(search: Search, seconds: float, path: Path) -> None:
    """Write how far a search has come, and the seconds that it has taken: the whole file or nothing.

    Raises UsageError where the file cannot be written.
    """
    data = msgspec.msgpack.encode(_file_of(search, seconds))
    write_whole(path, data)


def load(experiment: Experiment, preemptions: int | None, path: Path) -> tuple[Search, float]:
    """The search that a file keeps, and the seconds that it has taken so far.

    Raises UsageError for a file that is none, or that keeps another search: of another scenario, bound or code.
    """
    try:
        kept = msgspec.msgpack.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a checkpoint of a search ({error})") from error
    if kept.format != _FORMAT:
        raise UsageError(f"{path}: a checkpoint of format {kept.format}; this version reads format {_FORMAT}")
    if kept.digest != digest_of_scenario(experiment, preemptions):
        raise UsageError(f"{path}: keeps the search of another scenario, bound or code; delete it to start anew")
    return _search_of(kept, experiment, preemptions), kept.seconds


def _file_of(search: Search, seconds: float) -> _File:
    waiting = []
    for job in search.waiting:
        begun = search.explorations.get((job.number, job.plan))
        rows = None if begun is None else rows_of(begun.root)
        waiting.append(_Job(job.number, job.start.without_steps(), sorted(job.plan), rows))
    return _File(
        format=_FORMAT,
        digest=digest_of_scenario(search.experiment, search.preemptions),
        seconds=seconds,
        looks=search.looks,
        counts=search.counts,
        earlier=search.earlier,
        passes=search.passes,
        interleaved=search.interleaved,
        waits=search.waits,
        reason=search.reason,
        done=search.done,
        classes=sorted(search.classes),
        states=[state.to_bytes(_BYTES, "little") for state in sorted(search.states)],
        starts=[_Key(key[0].to_bytes(_BYTES, "little"), *key[1:]) for key in search.starts],
        plans=[(number, sorted(plan)) for number, plan in search.plans],
        waiting=waiting,
        reached=sorted(search.reached),
    )


def _search_of(kept: _File, experiment: Experiment, preemptions: int | None) -> Search:
    search = Search(experiment, kept.looks, preemptions)
    search.counts, search.earlier, search.passes = kept.counts, kept.earlier, kept.passes
    search.interleaved, search.waits = kept.interleaved, kept.waits
    search.reason, search.done = kept.reason, kept.done
    search.classes = set(kept.classes)
    search.reached = set(kept.reached)
    search.states = {int.from_bytes(state, "little") for state in kept.states}
    search.starts = {_start_key(key) for key in kept.starts}
    search.plans = {(number, frozenset(plan)) for number, plan in kept.plans}
    search.waiting.clear()
    for each in kept.waiting:
        job = Job(each.number, each.start, frozenset(each.plan))
        search.waiting.append(job)
        if each.rows is not None:
            search.explorations[job.number, job.plan] = search.tree(tree_of(each.rows))
    return search


def _start_key(key: _Key) -> StartKey:
    return int.from_bytes(key.state, "little"), key.carried, key.left
