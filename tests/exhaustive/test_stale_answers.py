"""Exhaustive search through the stale answers of a file system, against all interleavings and all answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec
import pytest

import simulator
from simulator.boundary import installed
from simulator.engines.greenlets import greenlet_engine
from simulator.engines.interface import Engine
from simulator.engines.programs import RankPrograms
from simulator.errors import UsageError
from simulator.exhaustive.attempts import Start
from simulator.exhaustive.exploration import Exploration
from simulator.exhaustive.injections import Injections, Plan, check_bounds
from simulator.exhaustive.judging import StateJudge
from simulator.exhaustive.unit import Unit
from simulator.experiment import ROOT, Experiment
from simulator.filesystems import PosixModel
from simulator.filesystems.profiles import by_profile
from simulator.happens_before import NO_LOOKS, Looks
from simulator.operations import Close, Mkdir, Open, Write
from simulator.rank import Rank
from simulator.scenario import Cluster, FilesystemChoice, Scenario, StrategyChoice, Workload
from tests.exhaustive.brute_force import Found, TooLong, all_interleavings, outcome
from tests.exhaustive.programs import Actions, program_of, random_action
from tests.exhaustive.searching import anything_goes

NAMES = ("a/f", "a/g", "h")


class Case:
    """Programs on nodes of their own, or two on one node, on NFS."""

    def __init__(self, programs: Sequence[Callable[..., Any]], **options: Any) -> None:
        self.options = {"rename_over": "ENOTEMPTY", "variations": 0, "stale": 1, **options}
        self.per_node = self.options.pop("ranks_per_node", 1)
        self.programs = tuple(programs)
        nodes = len(programs) // self.per_node
        self.experiment = Experiment(
            Scenario(cluster=Cluster(nodes, self.per_node), invariants=("anything_goes",)),
            programs=programs,
            checks=[anything_goes],
        )
        self.experiment.filesystem = self.filled  # type: ignore[method-assign]

    def filled(self) -> Any:
        """The tree on which every program starts."""
        nodes = len(self.programs) // self.per_node
        views = by_profile("nfs", self.options, nodes=nodes, ranks_per_node=self.per_node)
        views.perform(-1, Mkdir("a"), 1)
        for now, name in enumerate(("a/f", "h"), 3):
            number = views.perform(-1, Open(name, os.O_CREAT | os.O_WRONLY), now)
            views.perform(-1, Write(number, name.encode()), now)
            views.perform(-1, Close(number), now)
        return views

    def by_brute_force(self, plan: Plan, runs: int) -> tuple[Found, set[Plan]]:
        """All interleavings with the answers of a plan, and the plans with one more."""
        ranks = RankPrograms(self.programs, len(self.programs) // self.per_node, ROOT)
        further: set[Plan] = set()
        injections: list[Injections] = []

        def begin() -> tuple[Engine, Any]:
            for before in injections:
                further.update(before.further(()))
            injections[:] = [Injections((), plan, len(self.programs))]
            views = self.filled()
            engine = greenlet_engine(views, ranks)
            injections[0].answer_for(views, engine)
            return engine, views

        found = all_interleavings(begin, 16, runs)
        further.update(injections[0].further(()))
        return found, further

    def searched(self, plan: Plan) -> tuple[Found, set[Plan]]:
        """The same by exhaustive search."""
        looks = NO_LOOKS
        while True:
            found, further, wider = self._pass(plan, looks)
            if wider == looks:
                return found, further
            looks = wider

    def _pass(self, plan: Plan, looks: Looks) -> tuple[Found, set[Plan], Looks]:
        found, start, exploration = Found(), Start.first(self.experiment), Exploration()
        further: set[Plan] = set()
        unit = Unit(self.experiment, start, plan, looks, StateJudge(self.experiment, looks))
        replayer, wider = start.replayer(self.experiment), looks
        replayer.answer_by(Injections((), plan, len(self.programs)).planned)
        while exploration.leaf is not None:
            leaf = exploration.leaf
            execution = unit.make(exploration.prefix(leaf))
            report = unit.judge(execution)
            further.update(report.plans)
            digest = replayer.go_to(execution.order, execution.scheduled).digest()
            found.outcomes.add(outcome(execution.endings, execution.waiting, digest))
            exploration.take_in(leaf, unit.brought(execution))
            found.runs += 1
            wider |= report.looks
            if wider != looks:
                break
            found.classes.add(report.key)
            found.states.update(report.states)
        return found, further, wider


def hold_equal(case: Case, runs: int) -> int:
    """The same for every plan that either suggests; the number of plans with an answer."""
    with installed():
        waiting: list[Plan] = [frozenset()]
        known = set(waiting)
        for plan in waiting:
            brute, suggested = case.by_brute_force(plan, runs)
            search, further = case.searched(plan)
            assert search.outcomes == brute.outcomes, plan
            assert search.classes == brute.classes, plan
            assert search.states == brute.states, plan
            # Which of two answers is offered may depend on an order that nobody sees, so that a class suggests either.
            assert further == suggested, plan
            waiting += [each for each in sorted(suggested, key=sorted) if each not in known]
            known |= suggested
    return len(known) - 1


LOOKS = ("exists", "exists", "size", "listdir", "read", "readlink")


def looking_program(random: Random, ranks: int) -> list[Actions]:
    """The first ranks look at names that the others change, before and after that: what they see then may be stale."""
    names = random.choice((("h", "a/f"), ("a/g", "h"), ("a", "a/f", "b"), ("b", "a"), ("a/g", "a/f")))
    meets = [("barrier",)] * (random.random() < 0.7)
    programs: list[Actions] = []
    for index in range(ranks):
        if index == 3:
            programs.append([*meets])
        elif index < (ranks + 1) // 2:
            first, then = random.choice(names), random.choice(names)
            after = (random.choice(LOOKS), then) if random.random() < 0.7 else random_action(random, names)
            programs.append([(random.choice(LOOKS[:4]), first), *meets, after])
        else:
            programs.append([*meets, *(random_action(random, names) for _ in range(random.randint(1, 2)))])
    return programs


def hold_equal_on_random_programs(seed: int, count: int, ranks: int, runs: int, **options: Any) -> None:
    """On so many programs in which something may be stale, and on those that come between them."""
    done = number = 0
    while done < count:
        number += 1
        actions = looking_program(Random(f"{seed}/{number}"), ranks)
        try:
            done += hold_equal(Case([program_of(each) for each in actions], **options), runs) > 0
        except TooLong:
            continue
        except AssertionError as error:
            raise AssertionError(f"not as brute force says: {seed}/{number} {actions}") from error


@pytest.mark.parametrize("seed", range(3))
def test_random_programs_have_what_brute_force_says_with_every_stale_answer(seed: int) -> None:
    hold_equal_on_random_programs(seed, 6, ranks=2, runs=150, vers=(3, 4)[seed % 2])


def test_so_have_those_of_which_two_share_a_node() -> None:
    hold_equal_on_random_programs(6, 3, ranks=4, runs=100, ranks_per_node=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_hundreds_of_random_programs_have_what_brute_force_says(seed: int) -> None:
    for ranks, per_node in ((2, 1), (3, 1), (4, 2)):
        for version in (3, 4):
            hold_equal_on_random_programs(
                seed, 4, ranks, runs=300, ranks_per_node=per_node, vers=version, stale=1 + seed % 2
            )


def trainer(name: str, **options: Any) -> Scenario:
    return Scenario(
        cluster=Cluster(2, 1),
        workload=Workload(steps=1, keep=1),
        strategy=StrategyChoice(name),
        filesystem=FilesystemChoice("nfs", options={"stale": 1, "variations": 0, **options}),
    )


def test_a_stale_answer_is_found_and_its_run_is_replayed() -> None:
    result = simulator.certify(trainer("transformers-4.36.2"))
    assert result.failure is not None
    assert "'tmp-checkpoint-1' -> 'checkpoint-1'" in result.failure.error
    assert [kind for _, kind, *_ in result.failure.trace.tape] == ["stale-name"]
    assert simulator.replay(result.failure.trace).digest == result.failure.trace.digest


def test_a_remedy_is_certified_with_stale_answers_and_says_so() -> None:
    result = simulator.certify(trainer("staged-barrier"))
    assert result.verdict == "certified"
    assert "up to 1 stale answer;" in result.coverage
    assert simulator.certify(trainer("transformers-4.36.2", stale=0)).verdict == "certified"


def polls(rank: Rank) -> None:
    marker = rank.root / "marker"
    marker.exists()
    rank.barrier()
    if rank.index:
        while not marker.exists():
            time.sleep(1)
    else:
        marker.touch()


def test_a_rank_that_polls_goes_on_when_a_stale_answer_was_the_last() -> None:
    for stale in (1, 2):
        scenario = Scenario(
            cluster=Cluster(2, 1), filesystem=FilesystemChoice("nfs", options={"stale": stale, "variations": 0})
        )
        result = simulator.certify(Experiment(scenario, programs=[polls, polls]))
        assert (result.verdict, result.failure) == ("certified", None)


@pytest.mark.parametrize(
    ("options", "restarts", "said"),
    [
        ({"stale": None}, 0, r"filesystem\.options\.stale: exhaustive search needs a bound of what nfs may answer"),
        ({"mtime": "ties"}, 0, r"filesystem\.options\.mtime: exhaustive search cannot go through ties"),
        ({}, 1, "restarts: of what nfs may answer, exhaustive search goes through one attempt of the job only"),
    ],
)
def test_what_cannot_be_gone_through_is_refused(options: dict[str, Any], restarts: int, said: str) -> None:
    wanted = trainer("staged-barrier", **options)
    given = {key: value for key, value in wanted.filesystem.options.items() if value is not None}
    wanted = msgspec.structs.replace(wanted, filesystem=FilesystemChoice("nfs", options=given), restarts=restarts)
    with pytest.raises(UsageError, match=said):
        simulator.certify(wanted)


def test_a_file_system_that_does_not_tell_what_operations_touch_is_refused() -> None:
    class Silent(PosixModel):
        unordered = True

    experiment = Experiment(Scenario(), programs=[os.getcwd, os.getcwd])  # type: ignore[list-item]
    experiment.filesystem = Silent  # type: ignore[method-assign]
    with pytest.raises(UsageError, match="does not know which operations on shared commute"):
        check_bounds(experiment)
