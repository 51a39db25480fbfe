"""What runs in the process of one rank: its code, and the loop that talks with the controller.

The controller says what to do and the worker answers each message with one of its own:

``("perform", operation)``        carry it out on the real directory
                                  -> ``("performed", value, errno, would block, when the latest change was over)``
``("resume", task, outcome, time)``  let a task run to its next operation
                                  -> ``("pending", task, operation, source line, time, notes)``
                                  or ``("finished", task, how the rank ended, time, notes)``

Meanwhile the rank's code may do operations that are no scheduling points: ``("local", operation)`` asks for one where
the controller has the file system, and ``(value, errno)`` answers.

An outcome is ``(value, errno or SentError or None)``, or None for what the worker knows itself: the outcome of what it
has just performed, or of its own background task. Notes are calls of the engine's journal, in their order.
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
from _thread import get_ident
from collections.abc import Sequence
from os import strerror
from typing import Any

import msgspec

from simulator.boundary import install
from simulator.boundary.caller import CURRENT
from simulator.boundary.printing import MOST_KEPT
from simulator.engines.channel import Channel, Gone, dumps
from simulator.engines.conditions import Conditions
from simulator.engines.greenlets import GreenletExecutor
from simulator.engines.process import SimulatedProcess, torchrun_environment
from simulator.engines.programs import RankPrograms
from simulator.engines.tasks import Outcome, Task
from simulator.engines.transfer import SentError, packed, sendable, unpacked
from simulator.engines.watchdog import watchdog
from simulator.errors import CannotDo
from simulator.filesystems import Attributes, RealDirectory, WouldBlock
from simulator.operations import Extent, Join, Operation, Read

Note = tuple[Any, ...]


class Setting(msgspec.Struct, frozen=True):
    """What a worker must know beside its rank. ``directory`` is where it carries operations out itself, if it does.

    With ``ticking`` each change there gets a later modification time than the one before. ``detail`` asks for source
    lines. ``seconds`` of wall time are what the rank may use.
    """

    conditions: Conditions
    directory: str | None
    ticking: bool
    detail: bool
    seconds: float


def prepare(modules: Sequence[str]) -> None:
    """What the template does once for all workers: have the boundary in place, and import these modules."""
    install()
    for name in modules:
        importlib.import_module(name)
    torch = sys.modules.get("torch")
    if torch is not None:
        # A thread pool does not survive a fork, and whoever waits for one would hang.
        torch.set_num_threads(1)


def work(ranks: RankPrograms, channel: Channel, rank: int, setting: Setting) -> None:
    """The body of a worker: run the rank until its last task has ended, or the controller has."""
    gc.disable()
    CURRENT.thread = get_ident()
    worker = _Worker(ranks, channel, rank, setting)
    try:
        with watchdog(setting.seconds):
            worker.run()
    except Gone:
        pass


class _Worker:
    """Implements ``greenlets.Owner``."""

    def __init__(self, ranks: RankPrograms, channel: Channel, rank: int, setting: Setting) -> None:
        self._channel = channel
        self._directory: RealDirectory | None = None
        self._ticking = setting.ticking
        self._tasks: dict[int, Task] = {}
        self._pending: dict[int, Operation] = {}
        self._performed: Outcome = (None, None)
        self._notes: list[Note] = []
        conditions = setting.conditions
        environment = torchrun_environment(rank, ranks.world_size, ranks.ranks_per_node, conditions.attempt)
        os.environ.update(environment)
        executor = GreenletExecutor(self._perform_local, detail=setting.detail)
        executor.journal = self
        self._process = process = ranks.process(executor, rank, conditions.attempt, conditions.clock(ranks.world_size))
        os.umask(process.umask)
        if setting.directory is not None:
            self._directory = RealDirectory(
                setting.directory, ranks_per_node=ranks.ranks_per_node, ticking=setting.ticking
            )
            os.chdir(setting.directory)
        main = Task(rank, process)
        executor.prepare(main, ranks.main(process))
        self._tasks[rank] = main

    def run(self) -> None:
        """Answer the controller until no task is left."""
        while not all(task.finished for task in self._tasks.values()):
            kind, *arguments = self._channel.receive()
            if kind == "perform":
                self._perform(*arguments)
            else:
                self._resume(*arguments)

    # -- what the rank's code notes -----------------------------------------------------------------------------

    def add(self, task: Task) -> None:
        """A background task."""
        self._tasks[task.number] = task
        self._notes.append(("add", task.number, task.process.time))

    def record_save(self, rank: int, step: int, began: int, ended: int) -> None:
        """See ``process.Journal``."""
        self._notes.append(("record_save", rank, step, began, ended))

    def record_resume(self, rank: int, step: int, name: str) -> None:
        """See ``process.Journal``."""
        self._notes.append(("record_resume", rank, step, name))

    def record_look(self, rank: int, attributes: Attributes, facet: str) -> None:
        """See ``process.Journal``."""
        self._notes.append(("record_look", rank, attributes, facet))

    def record_output(self, rank: int, text: str) -> None:
        """See ``process.Journal``."""
        self._notes.append(("record_output", rank, text[-MOST_KEPT:]))

    def abort(self, error: CannotDo) -> None:
        """See ``process.Journal``."""
        self._notes.append(("abort", error))

    # -- inside -------------------------------------------------------------------------------------------------

    def _perform(self, operation: Operation) -> None:
        assert self._directory is not None
        value, code, blocked = None, 0, False
        try:
            value = self._directory.perform(self._process.number, operation)
            self._performed = (value, None)
        except WouldBlock:
            blocked = True
        except OSError as error:
            code = error.errno or errno.EIO
            self._performed = (None, code)
        if self._ticking:
            # Now rather than before the next change, since that may be another rank's.
            self._directory.tick()
        if isinstance(operation, Read) and value is not None:
            # The controller needs to know how much was read, not what.
            value = Extent(len(value))
        self._channel.send(("performed", value, code, blocked, self._directory.changed))

    def _perform_local(self, process: SimulatedProcess, operation: Operation) -> Any:
        """Called by the rank's code, in its greenlet."""
        CURRENT.caller = None
        try:
            if self._directory is not None:
                return self._directory.perform(process.number, operation)
            self._channel.send(("local", operation))
            value, code = self._channel.receive()
            if code:
                raise OSError(code, strerror(code))
            return value
        finally:
            CURRENT.caller = process

    def _resume(self, number: int, outcome: tuple[Any, int | SentError | None] | None, time: int) -> None:
        task = self._tasks[number]
        process = self._process
        process.time = time
        value, error = self._outcome(self._pending.pop(number, None), outcome)
        while True:
            operation = task.run((value, error))
            notes, self._notes = self._notes, []
            if operation is None:
                ending = self._ending(task) if number == process.rank else None
                self._channel.send(("finished", number, ending, process.time, notes))
                return
            try:
                answer = dumps(("pending", number, operation, process.site, process.time, notes))
            except Exception as refusal:
                # The value of a collective: a real job could not send it either, and the rank learns of it.
                self._notes = notes
                text = f"a {type(operation).__name__.lower()} has a value that cannot be sent to another process"
                value, error = None, TypeError(f"{text}: {refusal}")
                continue
            self._pending[number] = operation
            self._channel.send_bytes(answer)
            return

    def _outcome(self, operation: Operation | None, outcome: tuple[Any, int | SentError | None] | None) -> Outcome:
        if isinstance(operation, Join):
            awaited = self._tasks[operation.task]
            return awaited.value, awaited.error
        if outcome is None:
            performed, self._performed = self._performed, (None, None)
            return performed
        value, error = outcome
        return value, unpacked(error) if isinstance(error, SentError) else error

    @staticmethod
    def _ending(task: Task) -> tuple[bytes | None, SentError | None, str | None]:
        if task.error is not None:
            return None, packed(task.error), task.raised_at
        return sendable(task.value), None, None
