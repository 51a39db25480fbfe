"""A recording replays to the same failure, the same schedule and the same digest, wherever it comes from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

import simulator
from simulator import trace as traces
from simulator.boundary import installed
from simulator.campaigns.explanation.failure import trace_of
from simulator.campaigns.interface import experiment_of
from simulator.campaigns.searching.portfolio import sampled_faults
from simulator.errors import CannotDo, Divergence, UsageError
from simulator.rank import Rank
from simulator.scenario import Cluster, Scenario, StrategyChoice, Workload
from simulator.schedulers.random_walk import RandomWalk

SAVER = """
    import os

    def saver(rank):
        staging = rank.root / "tmp-1"
        os.makedirs(staging, exist_ok=True)
        (staging / f"shard{rank.index}").write_bytes(b"x")
        rank.barrier()
        if staging.exists():
            os.rename(staging, rank.root / "final-1")
"""


def closure() -> Any:
    def saver(rank: Rank) -> None:
        staging = rank.root / "tmp-1"
        os.makedirs(staging, exist_ok=True)
        rank.barrier()
        if staging.exists():
            os.rename(staging, rank.root / "final-1")

    return saver


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system on which there is room for some directories, and for no file."""
    place = tmp_path / "full"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here: that takes root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_no_difference(full_disk: Path) -> None:
    def saver(rank: Rank) -> None:
        staging = rank.root / "tmp-1"
        os.makedirs(staging, exist_ok=True)
        (staging / f"shard{rank.index}").write_bytes(b"x" * 9000)
        rank.barrier()
        if staging.exists():
            os.rename(staging, rank.root / "final-1")

    failure = simulator.explore(saver, schedules=200).failure
    assert failure is not None
    with pytest.raises(CannotDo, match=f"^{re.escape(str(full_disk))}: No space left on device .*--dir"):
        simulator.replay(failure.trace, on="real", directory=full_disk)
    with pytest.raises(CannotDo, match="No space left"):
        simulator.confirm(failure.trace, directory=full_disk)


@pytest.mark.parametrize("on", ["model", "real"])
@pytest.mark.parametrize("strict", [False, True])
def test_a_failure_replays_to_the_same_failure_schedule_and_digest(on: str, strict: bool) -> None:
    failure = simulator.explore(closure(), schedules=200).failure
    assert failure is not None
    result = simulator.replay(failure.trace, on=on, strict=strict)
    assert result.verdict == "violated"
    assert result.failure is not None
    assert (result.failure.signature, result.failure.rank, result.failure.error) == (
        failure.signature, failure.rank, failure.error,
    )  # fmt: skip
    assert result.failure.trace.tape == failure.trace.tape
    assert result.digest == failure.trace.digest
    assert result.failure.trace.attempts == failure.trace.attempts, "source lines included"
    assert result.reason is None


@pytest.mark.parametrize("on", ["model", "real"])
def test_a_strategy_replays_from_a_file(tmp_path: Path, on: str) -> None:
    scenario = Scenario(
        cluster=Cluster(2, 2), strategy=StrategyChoice("transformers-4.36.0"), workload=Workload(steps=2),
        faults=simulator.Faults(kills=1), restarts=1,
    )  # fmt: skip
    failure = simulator.explore(scenario, schedules=300).failure
    assert failure is not None
    traces.save(failure.trace, tmp_path / "failure.json")
    result = simulator.replay(tmp_path / "failure.json", on=on, strict=True, directory=tmp_path)
    assert result.digest == failure.trace.digest
    assert os.listdir(tmp_path) == ["failure.json"]


def test_a_program_is_found_by_its_file_in_another_process(tmp_path: Path) -> None:
    script = tmp_path / "saving.py"
    script.write_text(
        textwrap.dedent(SAVER)
        + textwrap.dedent("""
            if __name__ == "__main__":
                import simulator
                from pathlib import Path
                from simulator import trace
                trace.save(simulator.explore(saver, schedules=200).failure.trace, Path("failure.json"))
        """)
    )
    subprocess.run([sys.executable, script], cwd=tmp_path, check=True)
    recorded = traces.load(tmp_path / "failure.json")
    assert recorded.remembered() is None
    assert recorded.scenario["program"] == "saving.py:saver"
    assert simulator.replay(tmp_path / "failure.json").digest == recorded.digest


def _forgotten(trace: traces.Trace) -> traces.Trace:
    """As it would come from a file."""
    return msgspec.convert(msgspec.to_builtins(trace, str_keys=True), traces.Trace, str_keys=True)


def test_a_program_without_a_name_must_be_given() -> None:
    failure = simulator.explore(closure(), schedules=200).failure
    assert failure is not None
    trace = _forgotten(failure.trace)
    with pytest.raises(UsageError, match="give it as programs="):
        simulator.replay(trace)
    assert simulator.replay(trace, programs=closure()).digest == failure.trace.digest
    assert simulator.replay(trace, programs=[closure(), closure()]).digest == failure.trace.digest
    with pytest.raises(UsageError, match="programs: 3 were given for 2 ranks"):
        simulator.replay(trace, programs=[closure()] * 3)


def test_one_program_for_each_rank_is_not_taken_for_the_first_one() -> None:
    def other(rank: Rank) -> None:
        closure()(rank)

    failure = simulator.explore([renames, other], schedules=200).failure
    assert failure is not None
    assert failure.trace.scenario["program"] is None


def renames(rank: Rank) -> None:
    closure()(rank)


def test_pick_and_invariants_of_ones_own_must_be_given() -> None:
    def program(rank: Rank) -> None:
        rank.saved(1)
        if rank.index == 0:
            (rank.root / "checkpoint-1").touch()

    def pick(root: Path) -> Path | None:
        return max(root.iterdir(), default=None)

    def no_files(world: Any) -> str | None:
        return "a file" if os.listdir(world.root) else None

    failure = simulator.explore(program, pick=pick, schedules=50, seed=0).failure
    assert failure is not None
    assert failure.invariant == "progress"
    trace = _forgotten(failure.trace)
    with pytest.raises(UsageError, match="give it as pick="):
        simulator.replay(trace, programs=program)
    assert simulator.replay(trace, programs=program, pick=pick).digest == trace.digest

    failure = simulator.explore(program, invariants=[no_files], schedules=5).failure
    assert failure is not None
    trace = _forgotten(failure.trace)
    with pytest.raises(UsageError, match="'no_files', an invariant of its own"):
        simulator.replay(trace, programs=program)
    assert simulator.replay(trace, programs=program, invariants=[no_files]).digest == trace.digest


def fixed(rank: Rank) -> None:
    os.makedirs(rank.root / "tmp-1", exist_ok=True)
    rank.barrier()
    if rank.index == 0:
        os.rename(rank.root / "tmp-1", rank.root / "final-1")


def test_changed_code_gets_the_same_disturbance_and_is_said_to_differ() -> None:
    failure = simulator.explore(closure(), schedules=200).failure
    assert failure is not None
    result = simulator.replay(failure.trace, programs=fixed)
    assert result.verdict == "clean"
    assert result.failure is None
    assert result.reason is not None
    assert re.search(r"the recording has rank \d stat tmp-1 .*this run ", result.reason) is not None


def test_steps_that_differ_in_numbers_only_are_told_with_these() -> None:
    def writer(size: int) -> Any:
        def write(rank: Rank) -> None:
            staging = rank.root / "a"
            os.makedirs(staging, mode=size, exist_ok=True)
            rank.barrier()
            if staging.exists():
                os.rename(staging, rank.root / "b")

        return write

    failure = simulator.explore(writer(0o777), schedules=200).failure
    assert failure is not None
    reason = simulator.replay(failure.trace, programs=writer(0o700)).reason
    assert reason == "step 1: the recording has rank 0 mkdir('a', 493, None), this run has rank 0 mkdir('a', 448, None)"


def test_strictly_the_first_step_that_differs_is_named() -> None:
    failure = simulator.explore(closure(), schedules=200).failure
    assert failure is not None
    with pytest.raises(Divergence, match=r"^step \d+: the recording has rank 1 stat tmp-1.*, which cannot come next"):
        simulator.replay(failure.trace, programs=fixed, strict=True)

    def other(rank: Rank) -> None:
        closure()(rank) if rank.index else os.listdir(rank.root)

    with pytest.raises(
        Divergence, match=r"^step \d+: the recording has rank 0 stat \. -> directory, this run has rank 0 readdir \."
    ):
        simulator.replay(failure.trace, programs=other, strict=True)
    assert Divergence.exit_code == 3


def test_a_run_that_stops_short_or_goes_on_differs() -> None:
    failure = simulator.explore(closure(), schedules=200).failure
    assert failure is not None
    trace = failure.trace
    whole = trace.attempts[0]
    shorter = msgspec.structs.replace(trace, attempts=[msgspec.structs.replace(whole, events=whole.events[:-2])])
    shorter.remember(trace.remembered())
    assert "ends with a violation of no-error, this run goes on" in str(simulator.replay(shorter).reason)
    longer = msgspec.structs.replace(
        trace, attempts=[msgspec.structs.replace(whole, events=[*whole.events, whole.events[0]])]
    )
    longer.remember(trace.remembered())
    assert "this run violates no-error" in str(simulator.replay(longer).reason)
    other = msgspec.structs.replace(trace, verdict=msgspec.structs.replace(trace.verdict, signature="another"))  # type: ignore[type-var]
    other.remember(trace.remembered())
    assert "all steps are the same, but" in str(simulator.replay(other).reason)


def test_other_versions_of_the_software_are_named_with_a_difference() -> None:
    failure = simulator.explore(closure(), schedules=200).failure
    assert failure is not None
    old = msgspec.structs.replace(failure.trace, versions={**failure.trace.versions, "python": "3.9.1"})
    old.remember(failure.trace.remembered())
    assert simulator.replay(old).reason is None, "no difference, nothing to explain"
    with pytest.raises(Divergence, match=r"recorded with python 3\.9\.1, this is 3\."):
        simulator.replay(old, programs=fixed, strict=True)


def test_bad_requests_name_what_is_wrong(tmp_path: Path) -> None:
    failure = simulator.explore(closure(), schedules=200).failure
    assert failure is not None
    with pytest.raises(UsageError, match="on: must be 'model' or 'real', is 'disk'"):
        simulator.replay(failure.trace, on="disk")
    with pytest.raises(UsageError, match=r"missing\.json: No such file"):
        simulator.replay(tmp_path / "missing.json")
    gone = msgspec.structs.replace(failure.trace, scenario={**failure.trace.scenario, "program": "/no/such.py:f"})
    with pytest.raises(UsageError, match=r"/no/such\.py: no such file"):
        simulator.replay(gone)


def test_deaths_replay_strictly() -> None:
    """Each where it struck, although a grant that led to a death is no step; the survivors' steps after it too."""

    def program(rank: Rank) -> None:
        for n in range(3):
            (rank.root / f"file-{rank.attempt}-{rank.index}-{n}").touch()

    def at_most(world: Any) -> str | None:
        return "seven" if len(os.listdir(world.root)) >= 7 else None

    faults = simulator.Faults(kills=1, errors=(simulator.ErrorRule("open", "EIO", "file-1-*"),))
    experiment = experiment_of([program] * 3, faults=faults, restarts=2, invariants=[at_most])
    killed = 0
    with installed():
        for seed in range(40):
            random = Random(seed)
            run = experiment.run(RandomWalk(random), sampled_faults(experiment.scenario, [6, 6, 6], random))
            if run.violation is not None:
                killed += any(kind == "kill" for _, kind, _, _ in run.tape.choices)
                trace = trace_of(experiment, run)
                assert simulator.replay(trace, strict=True).digest == trace.digest
    assert killed > 5


@pytest.mark.parametrize(
    "faults",
    [
        {"kills": 1},
        {"node_kills": 1},
        {"node_hangs": 1},
        {"power_losses": 1},
        {"errors": (simulator.ErrorRule("lock|close", effect="hang"),)},
        {"kills": 1, "node_hangs": 1, "errors": (simulator.ErrorRule("open|lock", effect="hang"),)},
    ],
    ids=lambda faults: " ".join(faults),
)
def test_grants_that_leave_no_step_replay_strictly(faults: dict[str, Any]) -> None:
    """Those to a task that was struck, and those that a lock turned down; a disk takes the same course."""

    def program(rank: Rank) -> None:
        import fcntl

        (rank.root / f"file-{rank.attempt}-{rank.index}").touch()
        with open(rank.root / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            fcntl.flock(lock, fcntl.LOCK_UN)
        rank.barrier()
        (rank.root / f"file-{rank.attempt}-{rank.index}-again").touch()

    def at_most(world: Any) -> str | None:
        return "seven" if len(os.listdir(world.root)) >= 8 else None

    experiment = experiment_of(
        [program] * 4, nodes=2, ranks_per_node=2, faults=simulator.Faults(**faults), restarts=2, invariants=[at_most],
        persistence="ext4" if "power_losses" in faults else None,
    )  # fmt: skip
    struck, traced = 0, []
    with installed():
        for seed in range(25):
            random = Random(seed)
            run = experiment.run(RandomWalk(random), sampled_faults(experiment.scenario, [6] * 4, random))
            if run.violation is not None and any(kind not in ("schedule", "end") for _, kind, _, _ in run.tape.choices):
                struck += 1
                traced.append(trace_of(experiment, run))
                assert simulator.replay(traced[-1], strict=True).digest == traced[-1].digest
    assert struck > 3
    assert simulator.confirm(traced[0]).outcome == ("model only" if "power_losses" in faults else "confirmed")


def test_locks_and_collectives_replay_strictly() -> None:
    def program(rank: Rank) -> None:
        import fcntl

        with open(rank.root / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            content = rank.broadcast(os.listdir(rank.root)) if rank.index == 0 else None
            fcntl.flock(lock, fcntl.LOCK_UN)
        content = content or rank.broadcast(None)
        handle = rank.background(lambda: os.mkdir(rank.root / "once"))
        handle.wait()

    failure = simulator.explore(program, schedules=100).failure
    assert failure is not None
    for on in ("model", "real"):
        assert simulator.replay(failure, on=on, strict=True).digest == failure.trace.digest
