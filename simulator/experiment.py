"""A scenario made ready to run: programs, file system, judge. What is prepared once and used by every run."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from simulator import registry
from simulator.costs import CostModel, cost_model
from simulator.engines.answers import Draw
from simulator.engines.conditions import Conditions
from simulator.engines.greenlets import greenlet_engine
from simulator.engines.interface import Engine, Program
from simulator.engines.programs import RankPrograms
from simulator.errors import CannotDo, UsageError
from simulator.filesystems import Filesystem
from simulator.filesystems.durability import durable_of, persistence_named, with_disk
from simulator.filesystems.profiles import by_profile, server_of
from simulator.filesystems.views.layers import bounds_in_words
from simulator.invariants import Judge
from simulator.invariants.judge import OF_A_RESTART, Check, Verdicts, name_of
from simulator.invariants.learning import Learner
from simulator.invariants.outages import DiskVerdicts, OutageJudge, Outlook
from simulator.invariants.plain import FunctionProbe, written
from simulator.invariants.restart import StrategyProbe
from simulator.invariants.violation import BUILT_IN, NAMES
from simulator.job import training_program
from simulator.portable import portable
from simulator.run import Run, Scheduler, execute
from simulator.scenario import CostChoice, Scenario
from simulator.schedulers.last_first import LastRankFirst
from simulator.tape import Tape
from simulator.workload import BoundWorkload

ROOT = "/dev/null/ckptrace"
"""Where the simulated file system appears: a path that cannot exist on the real disk, so that an escape fails there."""


class Experiment:
    """Everything of a scenario that does not change from run to run.

    Of the disks that a power loss could leave at an instant of a run, ``disks_of_an_instant`` are judged at most.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        programs: Sequence[Program] | None = None,
        strategy: Callable[[], Any] | None = None,
        pick: Callable[[Path], Path | None] | None = None,
        checks: Sequence[Check] = (),
    ) -> None:
        scenario.validate()
        self.disks_of_an_instant = 64
        self.scenario = scenario
        self.checks = tuple(checks)
        _check_names(scenario.invariants, self.checks)
        self.costs = costs_of(scenario.costs)
        cluster = scenario.cluster
        self.bound: BoundWorkload | None = None
        self.probe: StrategyProbe | FunctionProbe | None = None
        self.factory: Callable[[], Any] | None = None
        if scenario.strategy is not None:
            self.factory = factory = strategy or registry.factory(scenario.strategy.name, scenario.strategy.options)
            scenario = self.scenario = _with_the_workload_of(type(factory()), scenario)
            self.bound = BoundWorkload(scenario)
            program = training_program(factory, scenario.workload, self.bound)
            self.programs: list[Program] = [program] * cluster.world_size
            self.probe = StrategyProbe(
                factory, self.bound, nodes=cluster.nodes, world_size=cluster.world_size, root=ROOT
            )
        elif programs is not None or scenario.program is not None:
            if programs is None:
                programs = [registry.function(scenario.program or "", "program")] * cluster.world_size
            if pick is None and scenario.pick is not None:
                pick = registry.function(scenario.pick, "pick")
            self.programs = list(programs)
            if len(self.programs) != cluster.world_size:
                raise UsageError(f"programs: {len(self.programs)} were given for {cluster.world_size} ranks")
            if pick is not None:
                _check_pick(pick)
                self.probe = FunctionProbe(pick, nodes=cluster.nodes, world_size=cluster.world_size, root=ROOT)
        else:
            raise UsageError("scenario: it names neither a strategy nor a program")
        self.verdicts = Verdicts(self.probe) if self.probe is not None else None
        judged = scenario.invariants
        wanted = judged is None or not OF_A_RESTART.isdisjoint(judged)
        self._disk_verdicts = DiskVerdicts(self.probe if wanted else None)
        choice = scenario.filesystem
        if choice.persistence is not None or choice.persistence_options:
            persistence_named(choice.durability, choice.persistence_options)
        self._rehearsed = False
        self.bounds: Mapping[str, int | None] = getattr(self.filesystem(), "bounds", {})
        self.has_choices = any(bound != 0 for bound in self.bounds.values())

    def filesystem(self) -> Filesystem:
        """An empty file system of the scenario's profile."""
        choice = self.scenario.filesystem
        cluster = self.scenario.cluster
        server = None
        if self.scenario.faults.power_losses:
            server = with_disk(by_profile(server_of(choice.profile)), choice, cluster.ranks_per_node)
        filesystem: Filesystem = by_profile(
            choice.profile, choice.behaviour, nodes=cluster.nodes, ranks_per_node=cluster.ranks_per_node, server=server
        )
        return filesystem

    def ranks(self) -> RankPrograms:
        """What the ranks run, for any engine."""
        fresh_states = self.bound.fresh_for if self.bound is not None else None
        return RankPrograms(tuple(self.programs), self.scenario.cluster.nodes, ROOT, fresh_states)

    def engine(self, filesystem: Filesystem, conditions: Conditions, *, detail: bool = False) -> Engine:
        """An in-process engine for one attempt."""
        return greenlet_engine(filesystem, self.ranks(), conditions, costs=self.costs, detail=detail)

    def judge(
        self,
        filesystem: Filesystem,
        verdicts: Verdicts | None = None,
        when: Callable[[Engine], bool] | None = None,
        outages: bool = True,
    ) -> Judge:
        """A judge for one run; with ``verdicts`` of its own where those of the model do not hold.

        Without ``outages`` no instant is judged as if the power failed there.
        """
        return Judge(
            filesystem,
            root=ROOT,
            nodes=self.scenario.cluster.nodes,
            world_size=self.scenario.cluster.world_size,
            verdicts=verdicts or self.verdicts,
            bound=self.bound,
            checks=self.checks,
            judged=self.scenario.invariants,
            instants=self.scenario.faults.job_death,
            when=when,
            outages=self._outages(filesystem) if outages else None,
            known=self.scenario.known,
        )

    def _outages(self, filesystem: Filesystem) -> OutageJudge | None:
        """What judges each instant as if the power failed there, if it may."""
        durable = durable_of(filesystem)
        if durable is None:
            return None
        scenario = self.scenario
        return OutageJudge(
            durable,
            self.outlook(self.disks_of_an_instant),
            scenario.invariants,
            self.bound.best if self.bound is not None else None,
            scenario.faults.power_losses,
            scenario.known,
        )

    def setting_aside(self, known: Collection[str]) -> Experiment:
        """The same experiment, whose runs go on past the failures with these signatures."""
        other = copy.copy(self)
        other.scenario = msgspec.structs.replace(self.scenario, known=tuple(known))
        return other

    def outlook(self, bound: int | None) -> Outlook:
        """What a power loss could leave, as far as anybody can tell the difference; so many disks at most."""
        judged = self.scenario.invariants
        checks = [check for check in self.checks if judged is None or name_of(check) in judged]
        return Outlook(self._disk_verdicts, checks, bound)

    def rehearse(self, scheduler: Scheduler) -> None:
        """Once, a run by an empty tape's scheduler that nobody judges. The boundary must be installed.

        Modules that the ranks import late are imported in it, which may look into the current directory and so be
        operations that no later run has. The probe of a plain program learns in it what a whole checkpoint is.
        """
        if self._rehearsed:
            return
        probe, world_size = self.probe, self.scenario.cluster.world_size

        learners: list[Learner] = []

        def judge_by(filesystem: Filesystem) -> Learner | None:
            if isinstance(probe, FunctionProbe):
                learners.append(Learner(filesystem, probe, world_size))
            return learners[-1] if learners else None

        run = self.run(scheduler, judge_by=judge_by)
        self._rehearsed = True
        if isinstance(probe, FunctionProbe):
            ended = all(ending.error is None for ending in run.attempts[0].endings.values()) if run.attempts else False
            if learners[0].nothing_to_judge and ended and run.incomplete is None:
                raise CannotDo(
                    f"{probe.in_vain}, so no checkpoint could be judged"
                    if probe.in_vain is not None
                    else "pick gave nothing in the undisturbed run, neither when rank.saved(step) had been called on "
                    "every rank nor at the end, so no checkpoint could be judged"
                )
            probe.content_is_fixed = self._writes_the_same(run)

    def _writes_the_same(self, undisturbed: Run) -> bool:
        """Whether each rank writes the same in another order of the ranks, and in a later attempt of the job."""
        world_size = self.scenario.cluster.world_size
        expected = written(undisturbed.attempts[0].steps, world_size)
        for later in (False, True):
            run = self.run(LastRankFirst(), judge_by=lambda _: None, restarts=0, first_attempt=int(later))
            found = written(run.attempts[0].steps, world_size)
            # A run may end early, by a race; what was written until then must be the same.
            if any(a[: len(b)] != b[: len(a)] for a, b in zip(expected, found, strict=True)):
                return False
        return True

    def described(self) -> dict[str, Any]:
        """The scenario as plain data."""
        table: dict[str, Any] = msgspec.to_builtins(self.scenario)
        return table

    def recorded(self) -> dict[str, Any]:
        """The same for a trace, which may be replayed from elsewhere."""
        table: dict[str, Any] = msgspec.to_builtins(portable(self.scenario))
        return table

    @property
    def judges_instants(self) -> bool:
        """Whether something is judged at every instant, as if the job died there."""
        judged, always = self.scenario.invariants, [c for c in self.checks if not getattr(c, "judged_at_end", False)]
        if any(judged is None or name_of(check) in judged for check in always):
            return True
        wanted = judged is None or not OF_A_RESTART.isdisjoint(judged)
        return self.verdicts is not None and wanted and self.scenario.faults.job_death

    def invariants_judged(self) -> list[str]:
        """The names of those that can be found violated: without a probe, none that is about a restart."""
        judged = self.scenario.invariants
        names = [
            each.name
            for each in BUILT_IN
            if (self.probe is not None or each.restart == "never" or each.name == "no-hang")
            and (self.bound is not None or each.name != "no-leak")
        ]
        return [name for name in [*names, *map(name_of, self.checks)] if judged is None or name in judged]

    def faults_in_words(self) -> str:
        """What a verdict must name beside its schedules: job death and the fault budget."""
        faults = self.scenario.faults
        parts = []
        if self.verdicts is not None and faults.job_death:
            parts.append("job death at every instant")
        parts += faults.in_words(self.scenario.filesystem.durability)
        parts += bounds_in_words(self.bounds)
        if self.scenario.restarts:
            parts.append(f"{self.scenario.restarts} restart{'s' if self.scenario.restarts > 1 else ''}")
        return ", with " + ", ".join(parts) if parts else ""

    def run(
        self,
        scheduler: Scheduler,
        plan: Tape | None = None,
        *,
        detail: bool = False,
        effects: bool = False,
        judge_by: Callable[[Filesystem], Any] | None = None,
        restarts: int | None = None,
        first_attempt: int = 0,
        draw: Draw | None = None,
    ) -> Run:
        """One run on the model in this process. The boundary must be installed.

        ``detail`` records source lines, ``effects`` what each step touched. ``restarts`` overrides the scenario's;
        ``first_attempt`` is the number that the ranks see in the first one.
        ``draw`` answers where the file system has a choice.
        """
        filesystem = self.filesystem()
        scenario = self.scenario

        def factory(filesystem: Filesystem, conditions: Conditions) -> Engine:
            if first_attempt:
                conditions = msgspec.structs.replace(conditions, attempt=conditions.attempt + first_attempt)
            engine = self.engine(filesystem, conditions, detail=detail)
            engine.record_effects = effects
            return engine

        judge = (judge_by or self.judge)(filesystem)
        run = execute(
            filesystem,
            factory,
            scheduler,
            judge=judge,
            plan=plan,
            faults=scenario.faults,
            ranks_per_node=scenario.cluster.ranks_per_node,
            restarts=scenario.restarts if restarts is None else restarts,
            budgets=scenario.budgets,
            draw=draw,
        )
        if isinstance(judge, Judge):
            run.met = frozenset(judge.met)
        return run


def _with_the_workload_of(strategy: type[Any], scenario: Scenario) -> Scenario:
    """The scenario with what the strategy asks of the workload, where the scenario says nothing."""
    asked = {k: v for k, v in registry.workload_of(strategy).items() if getattr(scenario.workload, k) is None}
    workload = msgspec.structs.replace(scenario.workload, **{"frozen": bool(scenario.workload.frozen), **asked})
    return msgspec.structs.replace(scenario, workload=workload)


def costs_of(choice: CostChoice) -> CostModel | None:
    """What operations cost, None where nothing does. Raises UsageError for an unknown profile or key."""
    if choice.profile is None:
        if choice.overrides:
            raise UsageError("costs.overrides: there is no costs.profile whose figures they could override")
        return None
    return cost_model(choice.profile, choice.overrides)


def _check_pick(pick: Callable[..., Any]) -> None:
    try:
        inspect.signature(pick).bind(None)
    except TypeError as error:
        raise UsageError(f"pick: it is called with the root, a path, as its only argument: {error}") from error
    except ValueError:  # Some functions written in C tell no signature.
        return


def _check_names(invariants: Sequence[str] | None, checks: Sequence[Check]) -> None:
    known = [*NAMES, *(getattr(check, "__name__", "invariant") for check in checks)]
    for check in checks:
        if not callable(check):
            raise UsageError(f"invariants: {check!r} is no function")
    for name in invariants or ():
        if name not in known:
            raise UsageError(f"invariants: unknown invariant {name!r}; there are {', '.join(known)}")
