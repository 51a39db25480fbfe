"""The same tape gives the same run with both engines, on the model, in memory and on the disk."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from simulator import registry
from simulator.boundary import installed
from simulator.campaigns.replay.disk import disk_runs
from simulator.campaigns.searching.portfolio import sampled_faults
from simulator.engines.processes import process_engine, template_for
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.invariants import Violation
from simulator.rank import Rank
from simulator.run import Run, execute
from simulator.scenario import Cluster, Scenario, StrategyChoice, Workload
from simulator.schedulers.random_walk import RandomWalk
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from tests.engines.jobs import IN_MEMORY, ON_DISK, run, seen

NAMES = ("a", "b", "a/c", "b/d")
names = st.sampled_from(NAMES)
actions = st.one_of(
    st.tuples(st.sampled_from(("mkdir", "makedirs", "rmdir", "unlink", "rmtree")), names),
    st.tuples(st.sampled_from(("list", "stat", "newest", "read", "age", "touch")), names),
    st.tuples(st.sampled_from(("rename", "link", "symlink", "copytree")), names, names),
    st.tuples(st.sampled_from(("write", "append")), names, st.binary(max_size=3)),
    st.tuples(st.sampled_from(("barrier", "sleep", "mkdtemp", "all_gather", "gather"))),
    st.tuples(st.just("background"), st.tuples(st.sampled_from(("mkdir", "rmtree", "list")), names)),
)  # fmt: skip
scripts = st.lists(actions, max_size=6)


def act(rank: Rank, kind: str, *arguments: Any) -> Any:
    """One action, as ordinary code does it; gives what it saw, errors included."""
    paths = [rank.root / name for name in arguments if isinstance(name, str)]
    doing: dict[str, Callable[[], Any]] = {
        "mkdir": lambda: paths[0].mkdir(),
        "makedirs": lambda: paths[0].mkdir(parents=True, exist_ok=True),
        "rmdir": lambda: paths[0].rmdir(),
        "unlink": lambda: paths[0].unlink(),
        "rmtree": lambda: shutil.rmtree(paths[0]),
        "list": lambda: sorted((entry.name, entry.is_dir(), entry.is_symlink()) for entry in os.scandir(paths[0])),
        "stat": lambda: (paths[0].exists(), paths[0].is_dir(), paths[0].is_file()),
        "newest": lambda: [p.name for p in sorted(rank.root.iterdir(), key=lambda p: p.lstat().st_mtime_ns)],
        "age": lambda: (time.time() - paths[0].stat().st_mtime, time.time() - paths[0].stat().st_ctime),
        "touch": lambda: os.utime(paths[0], ns=(7, rank.root.stat().st_mtime_ns)),
        "read": lambda: paths[0].read_bytes(),
        "rename": lambda: paths[0].rename(paths[1]),
        "link": lambda: os.link(*paths),
        "symlink": lambda: os.symlink(*paths),  # type: ignore[arg-type]
        "copytree": lambda: shutil.copytree(paths[0], paths[1], symlinks=True).name,
        "write": lambda: paths[0].write_bytes(arguments[1]),
        "append": lambda: open(paths[0], "ab").write(arguments[1]),  # noqa: SIM115
        "barrier": lambda: rank.barrier(),
        "all_gather": lambda: rank.all_gather((rank.index, time.time())),
        "gather": lambda: rank.gather((rank.index, time.time()), destination=1),
        "sleep": lambda: time.sleep(0.25),
        "mkdtemp": lambda: os.path.basename(__import__("tempfile").mkdtemp(dir=rank.root)),
        "background": lambda: rank.background(lambda: act(rank, *arguments[0])).wait(),
    }
    try:
        return doing[kind]()
    except OSError as error:
        return type(error).__name__, error.errno, str(error)
    except shutil.Error as error:
        return "shutil.Error", str(error)


programs = (st.lists(scripts, min_size=2, max_size=3), st.integers(0, 1 << 16), st.booleans())


@settings(max_examples=8)
@given(*programs)
def test_random_programs(scripts: list[list[tuple[Any, ...]]], seed: int, kill: bool) -> None:
    assert_all_engines_agree(scripts, seed, kill)


@pytest.mark.slow
@settings(max_examples=500)
@given(*programs)
def test_many_random_programs(scripts: list[list[tuple[Any, ...]]], seed: int, kill: bool) -> None:
    assert_all_engines_agree(scripts, seed, kill)


def assert_all_engines_agree(scripts: list[list[tuple[Any, ...]]], seed: int, kill: bool) -> None:
    def program(rank: Rank) -> list[Any]:
        return [act(rank, *action) for action in scripts[rank.index]]

    programs = [program] * len(scripts)
    random = Random(seed)
    plan = Tape({(0, "kill", 0, random.randrange(8)): 1, (0, "end", -1, 0): random.randrange(8)} if kill else {})
    first = run("greenlets", programs, plan, scheduler=RandomWalk(random), restarts=1)
    expected = seen(first)
    assert seen(run("greenlets", programs, first.tape, restarts=1)) == expected
    assert seen(run("processes", programs, first.tape, restarts=1)) == expected
    for where in (IN_MEMORY, ON_DISK):
        assert seen(run("disk", programs, first.tape, restarts=1, where=where, ticking=True)) == expected


class Lenient:
    """Judges nothing, so that a run goes on to its end."""

    excused = False

    def begin(self) -> None: ...

    def observe(self, engine: object) -> Violation | None:
        return None

    def finish(self, engine: object, *, died: bool) -> Violation | None:
        return None


@pytest.mark.parametrize("name", registry.names())
def test_strategies(name: str) -> None:
    assert_a_strategy_is_the_same_everywhere(name, Cluster(2, 1), seeds=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names())
def test_strategies_with_several_ranks_a_node(name: str) -> None:
    assert_a_strategy_is_the_same_everywhere(name, Cluster(2, 2), seeds=6)


def assert_a_strategy_is_the_same_everywhere(name: str, cluster: Cluster, seeds: int) -> None:
    scenario = Scenario(
        cluster=cluster,
        strategy=StrategyChoice(name),
        workload=Workload(steps=2, keep=1, best=1, form="torch" if name == "staged-barrier" else "bytes"),
        faults=Faults(kills=1),
        restarts=1,
    )
    experiment = Experiment(scenario)
    ON_DISK.mkdir(exist_ok=True)
    with installed():
        experiment.rehearse(TapeReplay(Tape()))
    with (
        installed(),
        template_for(experiment.ranks()) as template,
        disk_runs(experiment, IN_MEMORY) as memory,
        disk_runs(experiment, ON_DISK) as disk,
    ):
        for seed in range(seeds):
            random = Random(seed)
            plan = sampled_faults(scenario, [10] * cluster.world_size, random) if seed else None
            first = experiment.run(RandomWalk(random, stay=0.7), plan, judge_by=lambda _: Lenient())
            expected = seen(first)

            def replay() -> TapeReplay:
                return TapeReplay(first.tape)  # noqa: B023

            assert seen(_with_processes(experiment, template, first.tape)) == expected
            for runs in (memory, disk):
                found = runs.run(replay, first.tape, judge_by=lambda _: Lenient())
                assert seen(found) == expected, runs.filesystem


def _with_processes(experiment: Experiment, template: Any, tape: Tape) -> Run:
    return execute(
        experiment.filesystem(),
        lambda model, conditions: process_engine(template, model, experiment.ranks(), conditions),
        TapeReplay(tape),
        judge=Lenient(),
        plan=tape,
        ranks_per_node=experiment.scenario.cluster.ranks_per_node,
        restarts=1,
    )


def test_the_disk_of_these_tests_is_no_memory() -> None:
    """Otherwise nothing here has been compared with a disk: move the checkout, or set nothing by this run."""
    from simulator.campaigns.replay.disk import filesystem_type

    ON_DISK.mkdir(exist_ok=True)
    if filesystem_type(ON_DISK) in ("tmpfs", "ramfs"):
        pytest.skip("the checkout lies in memory")
    assert filesystem_type(IN_MEMORY) == "tmpfs"
    assert Path("/dev/shm").is_dir()
