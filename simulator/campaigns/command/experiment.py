"""An unmodified program made ready to run: what is prepared once and used by every run of it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from simulator.campaigns.command.judging import CommandJudge
from simulator.campaigns.command.unfinished import unfinished_in_words
from simulator.campaigns.command.watched_directory import WatchedDirectory
from simulator.engines.command.engine import CommandEngine
from simulator.engines.command.program import command_of
from simulator.engines.command.starting import Cold, Guard, Starter, Warm
from simulator.engines.conditions import Conditions
from simulator.engines.interface import Engine
from simulator.errors import UsageError
from simulator.filesystems import Filesystem
from simulator.filesystems.posix.model import PosixModel
from simulator.interposition.filter import why_not
from simulator.interposition.watching import Watch
from simulator.interruption import finishing
from simulator.portable import portable
from simulator.run import Run, Scheduler, execute
from simulator.scenario import Scenario
from simulator.tape import Tape


class CommandExperiment:
    """Everything of such a scenario that does not change from run to run. To be closed, or used in ``with``.

    The watched directory must be empty or absent: each run begins with an empty one. Raises UsageError where it is
    not, where there is no such program, and where system calls cannot be held.
    """

    def __init__(self, scenario: Scenario) -> None:
        scenario.validate()
        assert scenario.command is not None
        reason = why_not()
        if reason is not None:
            raise UsageError(
                f"{reason}; so no program can be run here as it is, but python FILE.py ARGUMENTS "
                f"by {sys.executable}. A save function in Python can be tested without: "
                "ckptrace explore --program FILE.py:FUNCTION"
            )
        self.scenario = scenario
        self.choice = scenario.command
        self.place = Path(self.choice.directory or Path.cwd())
        self.command = command_of(self.choice.words, self.place)
        self.directory = self.place / self.choice.watch
        self._watched = WatchedDirectory(self.directory)
        self.watch = Watch(str(self.directory))
        self._starter: Starter | None = None
        self._learned = False
        self.engines: list[CommandEngine] = []
        """Those of the last run, an attempt each."""
        self._unseen: set[str] = set()

    def __enter__(self) -> CommandExperiment:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def judges_instants(self) -> bool:
        """Whether something is judged at every instant, as if the job died there."""
        return self.scenario.invariants is None or "keep" in self.scenario.invariants

    @property
    def warm(self) -> bool:
        """Whether the ranks are forked."""
        return self.choice.warm and self.command.is_python

    def starter(self) -> Starter:
        """What starts the ranks: the same for all runs."""
        if self._starter is None:
            guard = Guard(self._watched.lock, self.directory)
            try:
                kind = Warm if self.warm else Cold
                self._starter = kind(self.command, self.place, guard)
            except BaseException:
                guard.close()
                raise
        return self._starter

    @property
    def out_of_time(self) -> bool:
        """Whether the last run was broken off because of its ``until``."""
        return any(engine.out_of_time for engine in self.engines)

    @property
    def unseen(self) -> list[str]:
        """What changed the watched directory in any run without a call that was held, or may have: in words."""
        return sorted(self._unseen)

    def run(self, scheduler: Scheduler, plan: Tape | None = None, *, until: float | None = None) -> Run:
        """One run, on an empty directory; incomplete if it goes on after ``until`` (of ``time.monotonic``)."""
        self._watched.empty()
        scenario, cluster = self.scenario, self.scenario.cluster
        attempts = scenario.restarts + 1  # The limit of each comes before that of all, and names its option.
        self.engines = []

        def engine_of(filesystem: Filesystem, conditions: Conditions) -> Engine:
            engine = CommandEngine(
                self.starter(),
                self.watch,
                conditions,
                world_size=cluster.world_size,
                ranks_per_node=cluster.ranks_per_node,
                late=self.choice.arm == "late" and self.command.is_python,
                seconds=self.choice.silence,
                wall=self.choice.wall,
                until=until,
            )
            self.engines.append(engine)
            return engine

        judge = CommandJudge(self.watch, cluster.world_size, scenario.invariants, scenario.known)
        run = execute(
            PosixModel(),  # What the ranks act on is the real directory; nobody asks this one.
            engine_of,
            scheduler,
            judge=judge,
            plan=plan,
            faults=scenario.faults,
            ranks_per_node=cluster.ranks_per_node,
            restarts=scenario.restarts,
            budgets=msgspec.structs.replace(scenario.budgets, wall_seconds=2 * self.choice.wall * attempts),
        )
        run.met = frozenset(judge.met)
        for engine in self.engines:
            self._unseen |= engine.unseen
        for record, engine in zip(run.attempts, self.engines, strict=False):
            record.meetings = engine.meetings()
        if run.incomplete is not None and self.engines:
            engine = self.engines[-1]
            said = unfinished_in_words(engine.steps, engine.endings, cluster.world_size)
            run.incomplete += f": {said}" * bool(said)
        if isinstance(self._starter, Warm) and not self._learned:
            self._learned = bool(self._starter.learn())
        return run

    @contextmanager
    def setting_aside(self, known: Collection[str]) -> Iterator[None]:
        """Meanwhile, runs go on past the failures with these signatures."""
        before = self.scenario
        self.scenario = msgspec.structs.replace(before, known=tuple(known))
        try:
            yield
        finally:
            self.scenario = before

    def recorded(self) -> dict[str, Any]:
        """The scenario for a trace, which may be replayed from elsewhere."""
        choice = msgspec.structs.replace(self.choice, watch=str(self.directory), directory=str(self.place))
        table: dict[str, Any] = msgspec.to_builtins(portable(msgspec.structs.replace(self.scenario, command=choice)))
        return table

    def close(self) -> None:
        """End what was started, leave the watched directory empty, and let others have it."""
        with finishing():
            try:
                if self._starter is not None:
                    self._starter.close()
                    self._starter = None
            finally:
                self._watched.release()
