"""What the README shows is true: its scenario loads, and its racy save fails and replays as it says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import simulator
from simulator import scenario

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_scenario_file_loads() -> None:
    (text,) = blocks("toml")
    assert scenario.from_table(tomllib.loads(text), "README.md").faults.kills == 1


def test_the_racy_save_fails_as_it_says() -> None:
    names: dict[str, object] = {}
    exec(blocks("python")[0], names)
    result = simulator.explore(names["saver"], nodes=2, schedules=1000, seed=0)  # type: ignore[arg-type]
    assert result.failure is not None
    assert "'tmp-checkpoint-1' -> 'checkpoint-1'" in result.failure.error
    assert simulator.replay(result.failure.trace, on="real").digest == result.digest
