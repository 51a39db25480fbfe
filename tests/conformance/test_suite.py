"""The conformance suite: a sound strategy passes it, an unsound one is told which invariant does not hold, and why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simulator.conformance import SITUATIONS, CheckpointConformance
from simulator.errors import UsageError
from simulator.invariants.violation import NAMES
from simulator.trace import load
from strategies.staged_barrier import StagedBarrier

SUITE = """
from simulator.conformance import SITUATIONS, CheckpointConformance
{imports}

class TestOurs(CheckpointConformance):
    strategy = {strategy}
    situations = {{name: SITUATIONS[name] for name in {situations}}}
    {more}
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Suite:
    return Suite(pytester)


class Suite:
    """A test module with the suite, run by pytest in this process."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester

    def __call__(
        self,
        strategy: str,
        *options: str,
        situations: tuple[str, ...] = ("2 nodes",),
        imports: str = "",
        more: str = "",
    ) -> pytest.RunResult:
        text = SUITE.format(strategy=strategy, situations=situations, imports=imports, more=more)
        self._pytester.makepyfile(text)
        return self._pytester.runpytest_inprocess("-p", "no:cacheprovider", *options)


def test_every_invariant_has_a_test_of_its_own() -> None:
    tests = {name for name in vars(CheckpointConformance) if name.startswith("test_")}
    assert tests == {f"test_{name.replace('-', '_')}" for name in NAMES}


def test_every_situation_makes_sense() -> None:
    for job in SITUATIONS.values():
        job.validate()
    assert any(job.faults.kills for job in SITUATIONS.values())
    assert any(job.faults.node_kills for job in SITUATIONS.values())
    assert any(job.workload.best and job.workload.keep for job in SITUATIONS.values())


def test_a_sound_strategy_passes(suite: Suite) -> None:
    """``agree`` is only tested where the job starts again."""
    found = suite("StagedBarrier", imports="from strategies.staged_barrier import StagedBarrier", more="schedules = 4",
                  situations=("2 nodes", "a rank killed"))  # fmt: skip
    found.assert_outcomes(passed=2 * len(NAMES) - 1)


def test_a_violation_is_told_with_its_lanes_and_the_command_that_replays_it(suite: Suite) -> None:
    found = suite("'transformers-4.38'", "-k", "no_error or no_leak")
    found.assert_outcomes(passed=1, failed=1)
    text = found.stdout.str()
    assert "violated  no-error: a rank raised" in text
    assert "The order of A and B decides" in text
    assert re.search(r"^2 nodes, schedule \d+, seed 0$", text, re.MULTILINE)
    replay = re.search(r"^replay  ckptrace replay (\S+)$", text, re.MULTILINE)
    assert replay is not None
    verdict = load(Path(replay.group(1))).verdict
    assert verdict is not None
    assert verdict.invariant == "no-error"


def test_a_strategy_of_the_test_module_is_tested(suite: Suite) -> None:
    own = """
import os
class Ours:
    def __init__(self, prefix="checkpoint"):
        self.prefix = prefix
    def save(self, rank, state, step):
        checkpoint = rank.root / f"{self.prefix}-{step}"
        os.makedirs(checkpoint, exist_ok=True)
        for shard in state.shards:
            shard.save(checkpoint / shard.name)
        rank.barrier()
    def pick(self, rank):
        found = sorted(rank.root.glob(f"{self.prefix}-*"))
        return found[-1] if found else None
    def load(self, rank, checkpoint):
        state = rank.fresh_state(int(checkpoint.name.rpartition("-")[2]))
        for shard in state.shards:
            shard.load(checkpoint / shard.name)
        return state
"""
    for strategy, more in (("Ours", ""), ("Ours('step')", ""), ("Ours", "options = {'prefix': 'step'}")):
        found = suite(strategy, "-k", "complete or no_hang", imports=own, more=more)
        found.assert_outcomes(passed=1, failed=1)
        assert "a restart would pick a checkpoint that is not whole" in found.stdout.str()


def test_a_run_that_a_budget_ended_is_no_pass(suite: Suite) -> None:
    more = "situations = {'short': msgspec.structs.replace(SITUATIONS['2 nodes'], budgets=Budgets(operations=9))}"
    imports = "import msgspec\nfrom simulator.scenario import Budgets"
    found = suite("'staged-barrier'", "-k", "keep", imports=imports, more=more)
    found.assert_outcomes(failed=1)
    found.stdout.fnmatch_lines(["*keep was not judged to the end, short: operations: 9*"])


def test_what_is_no_strategy_is_named(tmp_path: Path) -> None:
    class TestNothing(CheckpointConformance):
        pass

    class TestNumber(CheckpointConformance):
        strategy = 3

    class TestUnknownOption(CheckpointConformance):
        strategy = "staged-barrier"
        options = {"fsink": True}  # noqa: RUF012

    for test, said in (
        (TestNothing(), "TestNothing: set its attribute strategy"),
        (TestNumber(), "TestNumber: its attribute strategy, 3, is no strategy"),
        (TestUnknownOption(), "no option 'fsink'"),
    ):
        with pytest.raises(UsageError, match=re.escape(said)):
            test.check("keep", "2 nodes", tmp_path)


class TestStagedBarrier(CheckpointConformance):
    """The suite as it is meant to be used."""

    strategy = StagedBarrier
    schedules = 3
