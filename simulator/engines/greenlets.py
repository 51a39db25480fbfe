"""Runs the tasks of ranks as greenlets of this process.

Deterministic by construction, provided that garbage collection is off meanwhile (``run.execute`` sees to it): a file
object that the collector closes would be closed on whichever rank happens to run. Module globals of code under test
are shared between ranks here; the engine ``processes`` is the witness against that.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from os import SEEK_END
from typing import Any, Protocol

from greenlet import getcurrent, greenlet

from simulator.boundary.caller import CURRENT
from simulator.boundary.generators import TURNS
from simulator.boundary.torch_modes import set_aside
from simulator.costs import CostModel
from simulator.engines.charging import charging_for
from simulator.engines.conditions import Conditions
from simulator.engines.dispatcher import Dispatcher
from simulator.engines.frames import cut_frames, without_frames
from simulator.engines.process import Journal, SimulatedProcess, source_site
from simulator.engines.programs import RankPrograms
from simulator.engines.tasks import Outcome, Task
from simulator.errors import RankKilled
from simulator.filesystems import Filesystem
from simulator.operations import LOCAL, Collective, Join, Lock, Operation, Seek, Sleep
from simulator.originals import strerror


class Owner(Journal, Protocol):
    """Whom the executor serves: the dispatcher, or the loop of a worker process."""

    def add(self, task: Task) -> None:
        """A task of the process that runs; it begins when the code that started it comes to its next operation."""
        ...


class BackgroundHandle:
    """What ``rank.background`` gives: asks about, or waits for, one task."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def done(self) -> bool:
        """Whether the function has returned or raised."""
        return self._task.finished

    def wait(self) -> Any:
        """Wait for the function's end; gives what it returned, raises what it raised."""
        return self._task.process.perform(Join(self._task.number))


class GreenletExecutor:
    """Implements ``dispatcher.Executor`` and ``process.Host``. Greenlets switch to the one that made this executor.

    ``perform_local`` carries out what is no scheduling point. With ``viewer`` that is every operation but the
    synchronising ones. With ``detail`` each operation is given the source line that it comes from.
    """

    journal: Owner

    def __init__(
        self,
        perform_local: Callable[[SimulatedProcess, Operation], Any],
        *,
        viewer: bool = False,
        detail: bool = False,
    ) -> None:
        self._hub = getcurrent()
        self._give = self._hub.switch
        self._perform_local = perform_local
        self._viewer = viewer
        self._detail = detail
        self._bodies: dict[Task, greenlet] = {}

    def prepare(self, task: Task, function: Callable[[], Any]) -> None:
        """Give the task its ``run``: ``function`` in a greenlet of its own."""
        process = task.process

        def body(_: Outcome) -> None:
            try:
                CURRENT.caller = process
                try:
                    task.value = function()
                except KeyboardInterrupt:
                    # Of whoever runs the tool: it ends the whole run, and is nothing that a rank did.
                    raise
                except BaseException as raised:
                    if isinstance(raised, SystemExit) and raised.code in (None, 0):
                        task.value = None
                    else:
                        task.error = raised
                    # Its frames hold files that the code has let go of: they close now, in this rank's name.
                    if type(raised) is RankKilled and process.dead:
                        cut_frames(raised)  # nobody asks where the rank was
                        return
                    site = without_frames(raised)
                    # What a background task raised, and its waiter after it, comes from where the first of them raised.
                    alike = (each.raised_at for each in self._bodies if each.error is raised and each is not task)
                    task.raised_at = next(alike, site)
                finally:
                    task.finished = True
                    CURRENT.caller = None
                    set_aside()
            except RankKilled:
                # The watchdog struck when the code had ended and was being put away.
                task.finished = True
                CURRENT.caller = None
                set_aside()

        self._bodies[task] = started = greenlet(body, self._hub)
        task.run = started.switch

    def end(self, process: SimulatedProcess, tasks: Sequence[Task]) -> None:
        """Unwind the tasks: their ``finally`` blocks run, and each operation in them raises ``RankKilled``."""
        previous = CURRENT.caller
        hook = sys.unraisablehook
        sys.unraisablehook = partial(_unless_killed, hook)
        try:
            for task in tasks:
                body = self._bodies[task]
                if not body:
                    continue
                # It waits in ``hand_over``, which raises what it is given. To throw an exception into a greenlet
                # takes exceptions of C++ on the way.
                try:
                    CURRENT.caller = process
                    body.switch((None, RankKilled()))
                except RankKilled:  # The watchdog struck on the way there, as it does once a second.
                    body.switch((None, RankKilled()))
        finally:
            sys.unraisablehook = hook
        CURRENT.caller = previous

    def close(self) -> None:
        """Nothing is left of greenlets that have ended."""

    def hand_over(self, process: SimulatedProcess, operation: Operation) -> Any:
        """Called on a task's greenlet: give the operation to the hub, wait for the grant, give its result."""
        if process.dead:
            raise RankKilled
        kind = type(operation)
        if kind in LOCAL and not (kind is Seek and operation.whence == SEEK_END):  # type: ignore[attr-defined]
            return self._undisturbed(process, operation)
        if self._viewer and kind is not Collective and kind is not Join:
            return self._view(process, operation)
        if self._detail:
            process.site = source_site()
            for task, body in self._bodies.items():
                if body is getcurrent():
                    task.site = process.site
        CURRENT.caller = None
        again = set_aside()
        try:
            value, error = self._give(operation)
        finally:
            CURRENT.caller = process
            if again is not None:
                again()
            if not process.joined:
                TURNS.give(process)
        if error is None:
            return value
        if type(error) is int:
            raise OSError(error, strerror(error))
        try:
            raise error
        finally:
            # Or the exception, whose traceback holds this frame, would hold on to itself and to the frames of its code.
            del error

    def spawn(self, process: SimulatedProcess, function: Callable[[], Any]) -> BackgroundHandle:
        """Start a background task; it becomes ready like any other."""
        if process.dead:
            raise RankKilled
        process.spawned += 1
        task = Task(process.rank + process.world_size * process.spawned, process)
        self.prepare(task, function)
        self.journal.add(task)
        return BackgroundHandle(task)

    def _view(self, process: SimulatedProcess, operation: Operation) -> Any:
        """At once, and as if the job had died: nobody holds a lock any more."""
        if isinstance(operation, Sleep):
            process.elapse(operation.seconds)
            return None
        if isinstance(operation, Lock):
            return None
        return self._undisturbed(process, operation)

    def _undisturbed(self, process: SimulatedProcess, operation: Operation) -> Any:
        """Carry an operation out. The watchdog strikes callers only, so that none is left half done."""
        CURRENT.caller = None
        try:
            return self._perform_local(process, operation)
        finally:
            CURRENT.caller = process


def _unless_killed(hook: Callable[[sys.UnraisableHookArgs], Any], unraisable: sys.UnraisableHookArgs) -> None:
    """Files that a dead rank had open are closed as its frames go, in vain; Python 3.13 and newer would report that."""
    if not issubclass(unraisable.exc_type, RankKilled):
        hook(unraisable)


def greenlet_engine(
    filesystem: Filesystem,
    ranks: RankPrograms,
    conditions: Conditions | None = None,
    *,
    costs: CostModel | None = None,
    viewer: bool = False,
    detail: bool = False,
) -> Dispatcher:
    """An engine in this process, for one attempt of a job. ``costs`` are charged to it."""

    def perform_local(process: SimulatedProcess, operation: Operation) -> Any:
        engine.record_local(process.rank, operation)
        value = filesystem.perform(process.number, operation, process.time)
        if charging is not None:
            charging.performed(process.rank, operation, value)
        return value

    conditions = conditions or Conditions()
    clock = conditions.clock(ranks.world_size)
    charging = charging_for(costs, clock, ranks, conditions)
    executor = GreenletExecutor(perform_local, viewer=viewer, detail=detail)
    processes = [ranks.process(executor, rank, conditions.attempt, clock) for rank in range(ranks.world_size)]
    engine = executor.journal = Dispatcher(filesystem, executor, processes, conditions.attempt, clock, charging)
    for process in processes:
        if viewer:
            # Neither its descriptors nor its new inodes are those of a rank.
            process.number = -1 - process.rank
        task = Task(process.rank, process)
        executor.prepare(task, ranks.main(process))
        engine.add(task)
    return engine
