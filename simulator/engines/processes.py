"""The engine whose ranks are processes of their own, forked for each run from a warm template.

Code under test has its own module globals, environment, current directory and umask there, as in a real job. What is
granted is carried out by the rank's own process on a real directory, or by the controller on a model. The controller
lets one rank run at a time, so that the same tape gives the same run as with greenlets.
"""

from __future__ import annotations

import errno
import pickle
import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from os import strerror
from typing import Any

from simulator.costs import CostModel
from simulator.engines.channel import Gone, Silent
from simulator.engines.charging import charging_for
from simulator.engines.conditions import Conditions
from simulator.engines.dispatcher import Dispatcher
from simulator.engines.interface import Engine
from simulator.engines.process import SimulatedProcess
from simulator.engines.programs import RankPrograms
from simulator.engines.stamps import Stamps
from simulator.engines.tasks import Outcome, ProcessDied, Task
from simulator.engines.template import Template, Worker
from simulator.engines.transfer import SentError, packed, unpacked
from simulator.engines.watchdog import Stuck
from simulator.engines.worker import Setting, prepare, work
from simulator.filesystems import Attributes, Filesystem, WouldBlock
from simulator.operations import Operation

_GRACE = 5.0
"""Seconds beyond its wall time in which a rank is expected to say at which line it is stuck."""


class OnDisk:
    """The real directory on which the ranks' processes act, for all attempts of a run.

    With ``ticking`` each change gets a later time from the kernel than the one before, and the ranks are shown the
    simulated time of the change. That is slower, and only matters where somebody looks at times.
    """

    def __init__(self, directory: str, *, ticking: bool = False) -> None:
        self.directory = directory
        self.stamps = Stamps(directory) if ticking else None


def template_for(ranks: RankPrograms, preload: Sequence[str] = ()) -> Template:
    """A template for the ranks of a job, with the modules of ``preload`` imported. To be closed."""
    return Template(partial(work, ranks), partial(prepare, tuple(preload)))


def process_engine(
    template: Template,
    where: Filesystem | OnDisk,
    ranks: RankPrograms,
    conditions: Conditions | None = None,
    *,
    costs: CostModel | None = None,
    detail: bool = False,
    seconds: float = 60.0,
) -> Engine:
    """An engine for one attempt of a job; ``template`` is that of ``template_for`` these ranks.

    ``costs`` are charged as on the model, whatever the real operations take: the same tape gives the same run.

    A rank that does no operation within ``seconds`` of wall time ends the run: ``grant`` raises Stuck.
    """
    conditions = conditions or Conditions()
    executor = _ProcessExecutor(seconds)
    if isinstance(where, OnDisk):
        filesystem: Filesystem = _Disk(executor, where.stamps)
        setting = Setting(conditions, where.directory, where.stamps is not None, detail, seconds)
    else:
        filesystem = where
        setting = Setting(conditions, None, False, detail, seconds)
    clock = conditions.clock(ranks.world_size)
    charging = charging_for(costs, clock, ranks, conditions)
    processes = [ranks.process(executor, rank, conditions.attempt, clock) for rank in range(ranks.world_size)]
    engine = executor.engine = Dispatcher(filesystem, executor, processes, conditions.attempt, clock, charging)
    executor.filesystem = filesystem
    try:
        for process in processes:
            executor.workers[process.rank] = template.fork(process.rank, setting)
            engine.add(executor.remote(Task(process.rank, process)))
    except BaseException:
        executor.close()
        raise
    return engine


class _ProcessExecutor:
    """Implements ``dispatcher.Executor``."""

    engine: Dispatcher
    filesystem: Filesystem

    def __init__(self, seconds: float) -> None:
        self._patience = seconds + _GRACE
        self.workers: dict[int, Worker] = {}
        self._performed: set[int] = set()

    @property
    def journal(self) -> Dispatcher:
        """Where notes of the ranks go."""
        return self.engine

    def hand_over(self, process: SimulatedProcess, operation: Operation) -> Any:
        """Never called: the code of a process runs elsewhere."""
        raise AssertionError(f"rank {process.rank} runs in a process of its own")

    def spawn(self, process: SimulatedProcess, function: Any) -> Any:
        """Never called: the code of a process runs elsewhere."""
        raise AssertionError(f"rank {process.rank} runs in a process of its own")

    def remote(self, task: Task) -> Task:
        """Give the task its ``run``: in the rank's process."""
        task.run = partial(self._run, task)
        return task

    def end(self, process: SimulatedProcess, tasks: Sequence[Task]) -> None:
        """SIGKILL: nothing of it runs any more, and the kernel closes its descriptors."""
        worker = self.workers.get(process.rank)
        if worker is not None:
            worker.kill()

    def close(self) -> None:
        """Nobody is left behind, and nothing open."""
        for worker in self.workers.values():
            worker.kill()

    def ask(self, rank: int, *message: Any) -> Any:
        """Send a message to a rank's process and wait for the answer. Raises ProcessDied, Stuck."""
        worker = self.workers[rank]
        try:
            worker.channel.send(message)
            return worker.channel.receive(self._patience)
        except Gone:
            raise ProcessDied(_death(worker.wait())) from None
        except Silent:
            raise Stuck(f"rank {rank} did no operation for {self._patience:g} s of wall time") from None

    def perform(self, rank: int, operation: Operation, now: int, stamps: Stamps | None) -> Any:
        """Have the rank's process carry an operation out."""
        _, value, code, blocked, changed = self.ask(rank, "perform", operation)
        if stamps is not None:
            stamps.note(changed, now)
        if blocked:
            raise WouldBlock
        if stamps is not None and isinstance(value, Attributes):
            return stamps.shown(value)
        self._performed.add(rank)
        if code:
            raise OSError(code, strerror(code))
        return value

    def _run(self, task: Task, outcome: Outcome) -> Operation | None:
        process = task.process
        rank = process.rank
        if rank in self._performed:
            self._performed.discard(rank)
            sent = None
        else:
            value, error = outcome
            sent = value, _sent(error)
        answer = self.ask(rank, "resume", task.number, sent, process.time)
        while answer[0] == "local":
            answer = self.ask(rank, *self._local(process, answer[1]))
        kind, _, what, *site, process.time, notes = answer
        for note in notes:
            self._note(process, *note)
        if kind == "pending":
            task.site = site[0]
            operation: Operation = what
            return operation
        if what is not None:
            value, error, task.raised_at = what
            task.value = None if value is None else pickle.loads(value)
            task.error = None if error is None else unpacked(error)
        return None

    def _local(self, process: SimulatedProcess, operation: Operation) -> tuple[Any, int]:
        """Carry out what is no scheduling point, on the model. Gives the value or the errno."""
        try:
            value = self.filesystem.perform(process.number, operation, process.time)
        except OSError as error:
            return None, error.errno or errno.EIO
        if self.engine.charging is not None:
            self.engine.charging.performed(process.rank, operation, value)
        return value, 0

    def _note(self, process: SimulatedProcess, call: str, *arguments: Any) -> None:
        if call == "add":
            process.spawned += 1
            number, moment = arguments
            self.engine.add(self.remote(Task(number, process)), moment)
        else:
            getattr(self.engine, call)(*arguments)


class _Disk:
    """The ``Filesystem`` of an engine whose ranks act on a real directory themselves."""

    def __init__(self, executor: _ProcessExecutor, stamps: Stamps | None) -> None:
        self._executor = executor
        self._stamps = stamps

    def perform(self, rank: int, operation: Operation, now: int = 0) -> Any:
        """See ``Filesystem.perform``."""
        return self._executor.perform(rank, operation, now, self._stamps)

    def release(self, rank: int) -> None:
        """The rank's process is about to end by itself: when it has, its descriptors are closed."""
        worker = self._executor.workers.get(rank)
        if worker is not None:
            worker.wait()

    def lose_scratch(self, node: int) -> None:
        """Whoever holds the directory removes it: the processes know nothing of it."""


def _sent(error: BaseException | int | None) -> SentError | int | None:
    return packed(error) if isinstance(error, BaseException) else error


def _death(code: int) -> str:
    if code >= 0:
        return f"its process ended by itself, with exit code {code}"
    with suppress(ValueError):
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process was killed by signal {-code}"
