"""The conformance suite: one test for each invariant, in every situation, as a class for pytest."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import msgspec
import pytest

from simulator.boundary import installed
from simulator.campaigns.given import reference_of, strategy_of
from simulator.campaigns.result import Result
from simulator.campaigns.searching.sampling import sample
from simulator.errors import UsageError
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.reports.from_python import as_text, save
from simulator.scenario import Cluster, Scenario, StrategyChoice, Workload

SITUATIONS: Mapping[str, Scenario] = MappingProxyType(
    {
        "2 nodes": Scenario(cluster=Cluster(2, 1), workload=Workload(steps=3, keep=1)),
        "2 nodes of 2 ranks, sharded": Scenario(cluster=Cluster(2, 2), workload=Workload(layout="zero", keep=1)),
        "best kept": Scenario(workload=Workload(steps=4, keep=1, best=1)),
        "1 node, several kept": Scenario(cluster=Cluster(1, 2), workload=Workload(steps=4, keep=2, best=2)),
        "restarted": Scenario(workload=Workload(steps=2, keep=1), restarts=1),
        "a rank killed": Scenario(workload=Workload(steps=3, keep=1, best=1), faults=Faults(kills=1), restarts=1),
        "a node killed": Scenario(
            cluster=Cluster(2, 2), workload=Workload(layout="zero", keep=1), faults=Faults(node_kills=1), restarts=1
        ),
    }
)
"""By name. That the job dies at any instant is part of each of them (``Faults.job_death``)."""


class CheckpointConformance:
    """Subclass it under a name that pytest collects, and set ``strategy``: a class, an instance, or a registered name.

    ``options`` go to the constructor of a class or of a registered strategy. ``situations`` are the jobs by name; take
    some away or add your own. Each test samples ``schedules`` schedules from ``seed`` and stops at the first violation
    of its invariant; the same numbers give the same schedules.
    """

    strategy: ClassVar[Any] = None
    options: ClassVar[Mapping[str, Any]] = {}
    situations: ClassVar[Mapping[str, Scenario]] = SITUATIONS
    schedules: ClassVar[int] = 60
    seed: ClassVar[int] = 0

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Every test once in each situation in which its invariant can be violated."""
        if "situation" in metafunc.fixturenames:
            restarted = metafunc.function.__name__ == "test_agree"
            names = [name for name, job in self.situations.items() if job.restarts or not restarted]
            metafunc.parametrize("situation", names)

    def test_no_error(self, situation: str, tmp_path: Path) -> None:
        """No rank raises."""
        self.check("no-error", situation, tmp_path)

    def test_no_hang(self, situation: str, tmp_path: Path) -> None:
        """All ranks issue the same collectives in the same order, and the job ends."""
        self.check("no-hang", situation, tmp_path)

    def test_complete(self, situation: str, tmp_path: Path) -> None:
        """What a restart picks holds every rank's files."""
        self.check("complete", situation, tmp_path)

    def test_content(self, situation: str, tmp_path: Path) -> None:
        """What a restart picks holds bytes of one step, neither torn nor mixed."""
        self.check("content", situation, tmp_path)

    def test_progress(self, situation: str, tmp_path: Path) -> None:
        """A save that has returned on every rank is not lost."""
        self.check("progress", situation, tmp_path)

    def test_keep(self, situation: str, tmp_path: Path) -> None:
        """The best, the resumed-from and the newest whole checkpoint are not deleted."""
        self.check("keep", situation, tmp_path)

    def test_agree(self, situation: str, tmp_path: Path) -> None:
        """All ranks resume from the same checkpoint."""
        self.check("agree", situation, tmp_path)

    def test_no_leak(self, situation: str, tmp_path: Path) -> None:
        """What a dead attempt leaves behind is cleaned up."""
        self.check("no-leak", situation, tmp_path)

    def check(self, invariant: str, situation: str, directory: Path) -> None:
        """Search one situation for a violation of one invariant; a failing run's trace is kept in ``directory``.

        Fails the test with the reason and one lane per rank, and where a budget ended a run. Raises UsageError for what
        is no strategy, CannotDo when no file is touched or the strategy is not deterministic.
        """
        job = msgspec.structs.replace(self.situations[situation], invariants=(invariant,))
        with installed():
            result = sample(self.experiment(job), schedules=self.schedules, seed=self.seed)
        if result.verdict != "clean":
            pytest.fail(_report(result, invariant, situation, directory), pytrace=False)

    def experiment(self, job: Scenario) -> Experiment:
        """The job with the strategy in it."""
        given = type(self).strategy
        if given is None:
            raise UsageError(f"{type(self).__name__}: set its attribute strategy to the strategy that it is to test")
        if isinstance(given, str):
            return Experiment(msgspec.structs.replace(job, strategy=StrategyChoice(given, dict(self.options))))
        known = strategy_of(given(**self.options) if isinstance(given, type) and self.options else given)
        if known is not None and isinstance(given, type) and self.options:
            known = reference_of(given) or given.__name__, partial(given, **self.options)
        if known is None:
            raise UsageError(f"{type(self).__name__}: its attribute strategy, {given!r}, is no strategy")
        choice = StrategyChoice(known[0], dict(self.options))
        return Experiment(msgspec.structs.replace(job, strategy=choice), strategy=known[1])


def _report(result: Result, invariant: str, situation: str, directory: Path) -> str:
    if result.failure is None:
        return f"{invariant} was not judged to the end, {situation}: {result.reason}"
    path = save(result, directory / f"{invariant}.json")
    spent = f"{situation}, schedule {result.failure.schedule:,}, seed {result.seed}"
    return f"{as_text(result)}\n{spent}\nreplay  ckptrace replay {shlex.quote(str(path))}"
