"""A search that is stopped and gone on with, or that several processes make, is the same as one made at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.campaigns.result import Result
from simulator.errors import UsageError
from simulator.scenario import Scenario, StrategyChoice, Workload
from tests.exhaustive import registers

FAULTY = Scenario(
    workload=Workload(steps=1),
    strategy=StrategyChoice("per-node-dirs"),
    faults=simulator.Faults(kills=1, errors=(simulator.ErrorRule("mkdir", "ENOSPC"),)),
    restarts=1,
    invariants=("complete", "content", "keep"),
)
TIMED = Scenario(workload=Workload(steps=1), strategy=StrategyChoice("transformers-4.36.2"), restarts=1)
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "zero": (registers.last_zero(4), {}),
    "counter": (registers.racy_counter(3), {}),
    "bounded": (registers.racy_counter(3), {"preemptions": 1}),
    "faulty": (FAULTY, {}),
    "timed": (TIMED, {}),
}


def figures(result: Result) -> dict[str, Any]:
    """What must be the same: all but what time it took."""
    table = dict(result.certificate or {})
    for key in ("seconds", "classes_per_second", "states_per_second"):
        table.pop(key)
    return {**table, "verdict": result.verdict}


@pytest.mark.parametrize("case", CASES)
def test_an_interrupted_and_resumed_search_gives_the_certificate_of_one_run(case: str, tmp_path: Path) -> None:
    programs, more = CASES[case]
    whole = simulator.certify(programs, **more)
    assert whole.verdict == "certified"
    assert whole.classes is not None
    path, at = tmp_path / "search.ckpt", 0
    while True:
        at += max(1, whole.classes // 4)
        part = simulator.certify(programs, **more, checkpoint=path, max_classes=at)
        if part.verdict != "incomplete":
            break
        assert path.exists()
    assert figures(part) == figures(whole)
    assert at > whole.classes // 2, "it was never interrupted: nothing was tested"
    assert not path.exists()


@pytest.mark.parametrize("case", CASES)
def test_several_processes_find_the_classes_and_states_that_one_finds(case: str) -> None:
    programs, more = CASES[case]
    serial, parallel = (simulator.certify(programs, **more, workers=workers) for workers in (1, 2))
    assert (parallel.verdict, parallel.classes, parallel.states) == (serial.verdict, serial.classes, serial.states)
    assert parallel.blocked == serial.blocked


def test_several_processes_find_a_violation_and_it_is_explained() -> None:
    scenario = Scenario(strategy=StrategyChoice("transformers-4.36.1"), invariants=("no-error",))
    result = simulator.certify(scenario, workers=2)
    assert result.failure is not None
    assert result.failure.invariant == "no-error"


def test_a_checkpoint_of_another_search_or_of_none_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "search.ckpt"
    simulator.certify(registers.last_zero(4), checkpoint=path, max_classes=3)
    with pytest.raises(UsageError, match=r"search\.ckpt: keeps the search of another scenario, bound or code"):
        simulator.certify(registers.last_zero(4), preemptions=3, checkpoint=path)
    path.write_bytes(b"something else")
    with pytest.raises(UsageError, match=r"search\.ckpt: not a checkpoint of a search"):
        simulator.certify(registers.last_zero(4), checkpoint=path)
    with pytest.raises(UsageError, match=r"search\.ckpt/x: (File exists|Not a directory)"):
        simulator.certify(registers.last_zero(4), checkpoint=path / "x", max_classes=3)
