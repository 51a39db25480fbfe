"""The corpus of real bugs in ``fixtures/corpus``: each is found by its own mechanism; what was whole is clean."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import simulator
from simulator import scenario

FIXTURES = Path(__file__).parents[2] / "fixtures"
CORPUS = sorted((FIXTURES / "corpus").glob("*.toml"))
SCENARIOS = sorted((FIXTURES / "scenarios").glob("*.toml"))


@pytest.mark.parametrize("path", CORPUS, ids=[path.stem for path in CORPUS])
def test_a_bug_of_the_corpus_is_found_by_its_own_mechanism(path: Path) -> None:
    entry = tomllib.loads(path.read_text())
    assert entry["references"], "every entry says where it is known from"
    expected = entry["expect"]
    result = simulator.explore(scenario.from_table(entry["scenario"], str(path)), schedules=expected["schedules"])
    assert result.verdict == expected["verdict"]
    if result.failure is not None:
        assert result.failure.invariant == expected["invariant"]
        assert expected["said"] in result.failure.error
    else:
        assert result.schedules == expected["schedules"]


@pytest.mark.parametrize("path", SCENARIOS, ids=[path.stem for path in SCENARIOS])
def test_a_scenario_file_runs(path: Path) -> None:
    result = simulator.explore(scenario.load(path), schedules=100)
    assert result.verdict == ("violated" if "incident" in path.stem else "clean")
