"""JAX, unmodified, under ``ckptrace run``: its compiler's threads sleep in turns, and the main one waits for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.search import search
from simulator.scenario import Cluster, CommandChoice, Scenario
from tests.interposition.kernel import holds
from tests.real.environments import environment_with

pytestmark = [pytest.mark.real, holds]

_PROGRAM = """
import os, sys
root = sys.argv[1]
os.listdir(root)
import jax.numpy
total = (jax.numpy.ones(4) + 1).sum()
with open(os.path.join(root, os.environ["RANK"]), "w") as file:
    file.write(str(total))
"""


def test_who_lists_the_directory_and_computes_comes_to_its_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    program, output = tmp_path / "program.py", tmp_path / "out"
    program.write_text(_PROGRAM, encoding="utf-8")
    words = (environment_with("jax", "jax"), str(program), str(output))
    scenario = Scenario(cluster=Cluster(2, 1), command=CommandChoice(words, str(output), os.fspath(tmp_path)))
    with CommandExperiment(scenario) as under_test:
        result = search(under_test, schedules=6)
    assert result.verdict == "clean", result.reason
    assert "seemed to wait" not in result.coverage
