"""One race test: the failure that is kept of it first, then new schedules, and what pytest is to know of it."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from simulator import trace as traces
from simulator.campaigns.interface import experiment_of, explore
from simulator.campaigns.result import Failure, Result
from simulator.campaigns.searching.certifying import certify
from simulator.engines.fresh_frames import in_fresh_frames
from simulator.errors import CannotDo, CkptraceError, UsageError
from simulator.pytest_plugin import CheckpointRaceWarning
from simulator.pytest_plugin.account import ACCOUNT, NO_VERDICT, Account
from simulator.pytest_plugin.eligibility import RACE
from simulator.pytest_plugin.kept import KeptFailure
from simulator.pytest_plugin.marker import DEFAULT_SCHEDULES, MARKER, Race
from simulator.pytest_plugin.program import Outcome, RankProgram
from simulator.pytest_plugin.quiet import quiet
from simulator.pytest_plugin.repeating import fits, raised_by, replayed
from simulator.pytest_plugin.sharing import warnings_about
from simulator.pytest_plugin.summary import counted, properties_of


def run(item: pytest.Function, seed: int, width: int) -> None:
    """Run the test of a marked item; ``seed`` is for a marker that names none, ``width`` that of reports.

    Returns when it passes. Raises what a rank raised, with its traceback, else what pytest takes for a failure.
    """
    arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames if name != "rank"}
    for text in warnings_about(arguments, getattr(getattr(item, "callspec", None), "params", {})):
        item.warn(CheckpointRaceWarning(text))
    # A plugin may run an item twice.
    item.stash[ACCOUNT], item.stash[NO_VERDICT] = None, False
    race = item.stash[RACE]
    if race.seed is None:
        race = msgspec.structs.replace(race, seed=seed)
    program = RankProgram(item.obj, arguments)
    try:
        # However deep pytest and its plugins are nested.
        in_fresh_frames(_Test(item, race, program, width).run)
    except Outcome as outcome:
        raise (outcome.__cause__ or outcome) from None
    except CkptraceError as error:
        item.stash[NO_VERDICT] = True
        raise pytest.fail.Exception(f"{MARKER}: {error}", pytrace=False) from None


def check_trace(file: str) -> None:
    """Raise pytest's UsageError when the file that is to be replayed holds no trace."""
    try:
        traces.load(Path(file))
    except UsageError as error:
        raise pytest.UsageError(f"--ckptrace-replay: {error}") from error


class _Test:
    def __init__(self, item: pytest.Function, race: Race, program: RankProgram, width: int) -> None:
        self._item = item
        self._race = race
        self._program = program
        self._width = width
        self._option = item.config.option
        self._experiment = experiment_of(
            program,
            nodes=race.nodes,
            ranks_per_node=race.ranks_per_node,
            filesystem=race.filesystem,
            persistence=race.persistence,
            faults=race.faults,
            restarts=race.restarts,
            pick=race.pick,
            invariants=race.invariants,
        )
        named = msgspec.structs.replace(self._experiment.scenario, program=_name_of(item))
        self._experiment.scenario = named
        self._kept = KeptFailure(item.config.rootpath, item.nodeid)

    def run(self) -> None:
        with quiet():
            result, found, file = self._result()
        self._conclude(result, found, file)

    def _result(self) -> tuple[Result, str, Path | None]:
        """The result, how it was found in words, and the trace that was asked for, if one was."""
        if self._option.ckptrace_replay is not None:
            file = Path(self._option.ckptrace_replay)
            result = self._replayed(file)
            return result, result.coverage, file
        kept = self._kept.load()
        if kept is not None and fits(kept, self._experiment):
            result = replayed(self._experiment, kept, "model")
            if result.verdict != "clean":
                return result, "in an earlier run; it is replayed first until it passes", None
        self._kept.forget()
        result = self._explored()
        return result, found_in_words(result, self._race, self._schedules), None

    @property
    def _schedules(self) -> int:
        return int(self._option.ckptrace_schedules or self._race.schedules or DEFAULT_SCHEDULES)

    def _explored(self) -> Result:
        race = self._race
        if race.certify:
            return certify(
                self._experiment,
                preemptions=race.preemptions,
                max_classes=race.max_classes,
                seconds=race.seconds,
                workers=race.workers,
            )
        assert race.seed is not None
        return explore(
            self._experiment,
            scheduler=race.scheduler,
            schedules=self._schedules,
            seed=race.seed,
            seconds=race.seconds,
        )

    def _replayed(self, file: Path) -> Result:
        recorded = traces.load(file)
        tested = str(recorded.scenario.get("program"))
        if tested.partition("::")[2] != self._item.nodeid.partition("::")[2]:
            raise UsageError(f"{file}: it is a trace of {tested}")
        if not fits(recorded, self._experiment):
            raise UsageError(f"{file}: the test has another cluster, file system or fault budget now")
        result = replayed(self._experiment, recorded, "model")
        if result.failure is not None and self._option.ckptrace_on == "real":
            result = replayed(self._experiment, recorded, "real")
            if result.verdict == "clean":
                raise CannotDo(f"{file}: fails on the model, but not on a real disk: {result.reason or 'no reason'}")
        return result

    def _conclude(self, result: Result, found: str, file: Path | None) -> None:
        """Report the result; ``file`` is the trace that was asked for (None: the failure is kept)."""
        failure = result.failure
        if failure is not None and file is None:
            file = self._keep(failure)
        self._item.user_properties.extend(properties_of(result, file))
        if failure is not None:
            self._item.stash[ACCOUNT] = Account(result, found, file, self._width)
            self._fail(failure)
        if result.verdict == "incomplete":
            raise CannotDo(f"incomplete: {result.reason}")

    def _keep(self, failure: Failure) -> Path | None:
        try:
            self._kept.keep(failure.trace)
        except UsageError as error:
            self._item.warn(CheckpointRaceWarning(f"the failure cannot be kept: {error}"))
            return None
        return self._kept.path

    def _fail(self, failure: Failure) -> NoReturn:
        """Raise what the rank raised, with the traceback that it had; of another violation, what it says."""
        error = raised_by(self._program, self._experiment, failure)
        if error is None or isinstance(error, pytest.skip.Exception | pytest.xfail.Exception):
            pytest.fail(f"{failure.invariant}: {failure.error}", pytrace=False)
        raise error


def found_in_words(result: Result, race: Race, schedules: int) -> str:
    """In which schedule a failure was found."""
    failure = result.failure
    if failure is None:
        return ""
    if race.certify:
        return f"by exhaustive search, after {counted(result.schedules, 'schedule')}"
    if failure.schedule == 1:
        return "in the first schedule, which nothing disturbs"
    return f"in schedule {failure.schedule:,} of {schedules:,}, scheduler {race.scheduler}, seed {result.seed}"


def _name_of(item: pytest.Function) -> str:
    """How a trace names the test."""
    return f"{item.path}::{item.nodeid.partition('::')[2]}"
