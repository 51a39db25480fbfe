"""Released versions of transformers' Trainer, unmodified, under ``ckptrace run``: what people reported is found."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.replaying import replay
from simulator.campaigns.command.search import search
from simulator.campaigns.command.steering import confirm_races
from simulator.engines.canonical import event_of
from simulator.scenario import Cluster, CommandChoice, Scenario
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from simulator.trace import digest_of
from tests.interposition.kernel import holds
from tests.real.environments import transformers

pytestmark = [pytest.mark.real, holds]

Job = Callable[..., CommandExperiment]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job of two ranks on two nodes, with a release of transformers."""

    def make(version: str, *options: str, invariants: tuple[str, ...] | None = None) -> CommandExperiment:
        program = str(Path(__file__).with_name("train.py"))
        output = str(tmp_path / "out")
        words = (transformers(version), program, output, *options)
        return CommandExperiment(
            Scenario(cluster=Cluster(2, 1), command=CommandChoice(words, output, str(tmp_path)), invariants=invariants)
        )

    return make


def test_4_36_0_loses_its_staging_directory_within_twenty_schedules(job: Job) -> None:
    """Issues #27925 and #28015: FileNotFoundError about tmp-checkpoint-N."""
    with job("4.36.0", invariants=("no-error", "no-hang")) as under_test:
        result = search(under_test, schedules=20)
    failure = result.failure
    assert failure is not None
    assert "FileNotFoundError" in failure.error
    assert "tmp-checkpoint-" in failure.error
    again = replay(failure.trace)
    assert again.failure is not None
    assert again.failure.signature == failure.signature


def test_the_races_of_4_36_0_are_confirmed_from_one_run_that_passes(job: Job) -> None:
    """One at each of the four saves, without any luck: both ranks look for the checkpoint and rename to it."""
    with job("4.36.0", invariants=("no-error", "no-hang")) as under_test:
        found = confirm_races(under_test, schedules=20)
    assert found.recorded.verdict is None
    confirmed = [each.race for each in found.races if each.outcome == "confirmed"]
    assert {race.first.operation for race in confirmed} >= {
        f"rename tmp-checkpoint-{n} → checkpoint-{n}" for n in range(1, 5)
    }
    assert found.result.failure is not None


def test_4_36_2_on_each_node_loses_every_checkpoint(job: Job) -> None:
    """Of a shared directory, each node deletes what the other one still counts on."""
    with job("4.36.2", "--each-node", invariants=("keep",)) as under_test:
        result = search(under_test, schedules=60)
    assert result.failure is not None
    assert result.failure.invariant == "keep"


@pytest.mark.parametrize("version", ["4.36.2", "5.23.0"])
def test_a_release_that_is_safe_on_a_shared_file_system_is_clean(job: Job, version: str) -> None:
    with job(version, invariants=("no-error", "no-hang")) as under_test:
        assert search(under_test, schedules=10).verdict == "clean"


def test_fifty_runs_of_one_tape_give_one_trace(job: Job) -> None:
    with job("4.36.2", invariants=("no-error",)) as under_test:
        digests = set()
        for _ in range(50):
            run = under_test.run(TapeReplay(Tape()))
            digests.add(digest_of([event_of(step) for step in attempt.steps] for attempt in run.attempts))
    assert len(digests) == 1


def test_a_held_run_costs_at_most_three_times_the_plain_one(job: Job, tmp_path: Path) -> None:
    """Both from the same process that has imported everything; the plain one watches a directory that nobody uses."""
    with job("4.36.2", invariants=("no-error",)) as under_test:
        under_test.run(TapeReplay(Tape()))
        pairs = []
        for _ in range(7):
            pairs.append((_seconds(under_test), _seconds(under_test, elsewhere=tmp_path / "elsewhere")))
    ratios = sorted(held / plain for held, plain in pairs)
    print(f"\nheld / plain, in seconds: {', '.join(f'{a:.2f} / {b:.2f}' for a, b in pairs)}: {ratios[3]:.1f} times")
    assert ratios[3] <= 3


def _seconds(under_test: CommandExperiment, elsewhere: Path | None = None) -> float:
    watch = under_test.watch
    if elsewhere is not None:
        elsewhere.mkdir(exist_ok=True)
        under_test.watch = type(watch)(str(elsewhere))
    started = time.perf_counter()
    try:
        under_test.run(TapeReplay(Tape()))
    finally:
        under_test.watch = watch
    return time.perf_counter() - started
