"""One tape, one trace: in this process, in new ones, under every hash seed, a thousand times over."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import simulator
from simulator.errors import CannotDo
from simulator.faults import Faults
from simulator.rank import Rank
from simulator.scenario import Cluster, Scenario, StrategyChoice, Workload

NAMES = ["transformers-4.49-dev-35580", "per-node-dirs", "transformers-4.36.2"]
IN_A_NEW_PROCESS = """
import sys
from tests.campaigns.test_determinism import digests
print(digests(sys.argv[1]))
"""


def digests(name: str, runs: int = 1) -> str:
    """The digests of the last trace of some explorations, all equal or it says which differ."""
    seen = set()
    for _ in range(runs):
        scenario = Scenario(
            cluster=Cluster(2, 2),
            workload=Workload(steps=2, keep=1, layout="zero"),
            strategy=StrategyChoice(name),
            faults=Faults(kills=1),
            restarts=1,
        )
        result = simulator.explore(scenario, schedules=4, seed=11)
        seen.add((result.digest, result.schedules, result.operations))
    return repr(sorted(seen, key=repr))


@pytest.mark.parametrize("name", NAMES)
def test_twenty_new_processes_under_five_hash_seeds_give_one_digest(name: str) -> None:
    here = digests(name)
    running = []
    for number in range(20 if name == NAMES[0] else 5):
        environment = {**os.environ, "PYTHONHASHSEED": str(number % 5)}
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", IN_A_NEW_PROCESS, name], env=environment, stdout=subprocess.PIPE, text=True
            )
        )
        if len(running) % 2 == 0:
            for process in running[-2:]:
                process.wait()
    for process in running:
        said, _ = process.communicate()
        assert process.returncode == 0
        assert said.strip() == here


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_determinism_over_a_thousand_runs(name: str) -> None:
    assert digests(name, runs=1000) == digests(name)


def test_code_that_is_not_deterministic_is_told_so_and_where() -> None:
    runs = iter(range(1_000_000))

    def program(rank: Rank) -> None:
        (rank.root / f"{next(runs)}").mkdir()

    with pytest.raises(CannotDo, match=r"not deterministic.*differ in attempt 0 at step 0.*mkdir"):
        simulator.explore(program, schedules=5)
