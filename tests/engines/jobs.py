"""Small jobs run by each engine: greenlets on the model, processes on the model, processes on a real directory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from simulator.boundary import installed
from simulator.engines.canonical import event_of
from simulator.engines.conditions import Conditions
from simulator.engines.greenlets import greenlet_engine
from simulator.engines.interface import Ending, Engine, Program
from simulator.engines.processes import OnDisk, process_engine, template_for
from simulator.engines.programs import RankPrograms
from simulator.filesystems import PosixModel
from simulator.filesystems.snapshots import remove_tree
from simulator.run import EngineFactory, Run, Scheduler, execute
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from simulator.trace import Event

ROOT = "/dev/null/ckptrace"
IN_MEMORY = Path("/dev/shm")
ON_DISK = Path(__file__).resolve().parents[2] / ".ckptrace"
"""A directory of the checkout's own disk, which the repository ignores."""

ENGINES = ("greenlets", "processes", "disk")
every_engine = pytest.mark.parametrize("engine", ENGINES)


@contextmanager
def empty_directory(where: Path = ON_DISK) -> Iterator[Path]:
    where.mkdir(exist_ok=True)
    base = Path(tempfile.mkdtemp(dir=where, prefix="test-"))
    base.chmod(0o755)
    try:
        yield base
    finally:
        remove_tree(base)


@contextmanager
def engine_factory(
    engine: str, programs: Sequence[Program], *, nodes: int = 1, where: Path = ON_DISK, ticking: bool = False,
    seconds: float = 60.0,
) -> Iterator[EngineFactory]:  # fmt: skip
    ranks = RankPrograms(tuple(programs), nodes, ROOT)
    with installed():
        if engine == "greenlets":
            yield lambda filesystem, conditions: greenlet_engine(filesystem, ranks, conditions)
            return
        with template_for(ranks) as template, empty_directory(where) as directory:
            where_on_disk = OnDisk(str(directory), ticking=ticking)

            def make(filesystem: Any, conditions: Conditions) -> Engine:
                place = where_on_disk if engine == "disk" else filesystem
                return process_engine(template, place, ranks, conditions, seconds=seconds)

            yield make


def run(
    engine: str,
    programs: Sequence[Program],
    tape: Tape | None = None,
    *,
    scheduler: Scheduler | None = None,
    nodes: int = 1,
    restarts: int = 0,
    **options: Any,
) -> Run:
    """One run of a job. The tape says who dies, and who goes next unless there is a scheduler."""
    tape = tape or Tape()
    with engine_factory(engine, programs, nodes=nodes, **options) as factory:
        return execute(
            PosixModel(),
            factory,
            scheduler or TapeReplay(tape),
            plan=tape,
            restarts=restarts,
            ranks_per_node=len(programs) // nodes,
        )


def endings(run: Run) -> dict[int, Ending]:
    """How the ranks of the last attempt ended."""
    return run.attempts[-1].endings


def returned(run: Run) -> list[Any]:
    """What the ranks of the last attempt returned; all of them must have."""
    found = endings(run)
    for rank in sorted(found):
        error = found[rank].error
        if error is not None:
            raise error
        assert not found[rank].killed
    return [found[rank].value for rank in sorted(found)]


def events(run: Run) -> list[list[Event]]:
    return [[event_of(step) for step in attempt.steps] for attempt in run.attempts]


def seen(run: Run) -> Any:
    """All that must be the same with every engine and on every file system."""
    return [
        (
            [(e.task, e.n, e.kind, e.arguments, e.result, e.error) for e in events_of_attempt],
            {rank: (ending.value, type(ending.error).__name__, str(ending.error), ending.killed)
             for rank, ending in attempt.endings.items()},
            attempt.died,
            attempt.faults,
            attempt.times,
        )
        for attempt, events_of_attempt in zip(run.attempts, events(run), strict=True)
    ]  # fmt: skip
