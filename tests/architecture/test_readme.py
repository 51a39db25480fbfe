"""What README and REFERENCE show is true: the scenario loads, the racy save fails and replays as they say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import simulator
from simulator import scenario

ROOT = Path(__file__).parents[2]


def blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)


def test_the_scenario_file_loads() -> None:
    (text,) = blocks("REFERENCE.md", "toml")
    assert scenario.from_table(tomllib.loads(text), "REFERENCE.md").faults.kills == 1


def test_the_racy_save_fails_as_it_says() -> None:
    names: dict[str, object] = {}
    exec(blocks("README.md", "python")[0], names)
    result = simulator.explore(names["saver"], nodes=2, schedules=1000, seed=0)  # type: ignore[arg-type]
    assert result.failure is not None
    assert "'tmp-checkpoint-1' -> 'checkpoint-1'" in result.failure.error
    assert simulator.replay(result.failure.trace, on="real").digest == result.digest


def test_the_exploration_with_faults_runs_as_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = (block for block in blocks("REFERENCE.md", "python") if "simulator.explore(" in block)
    exec(text, {})
    assert "1 error rule" in capsys.readouterr().out
