"""Where system calls cannot be held: a Python program run behind the Python boundary instead, on the model."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from simulator.campaigns.command.script import Script
from simulator.campaigns.command.watched_directory import check_empty
from simulator.engines.command.program import command_of
from simulator.errors import UsageError
from simulator.experiment import Experiment
from simulator.scenario import CommandChoice, Scenario

JUDGED = ("no-error", "no-hang")
"""What can be told of a program on the model that nothing is known of."""


def choice_behind(choice: CommandChoice) -> CommandChoice | None:
    """The same program behind the boundary; None where its words are not ``python FILE.py ARGUMENTS``.

    Another Python than the one that runs here has other packages, so it counts as none. Raises UsageError where there
    is no such program.
    """
    place = Path(choice.directory or Path.cwd())
    command = command_of(choice.words, place)
    if len(command.interpreter) != 1 or command.module or not command.program.endswith(".py"):
        return None
    if not _is_this_python(command.interpreter[0]):
        return None
    watch = os.path.normpath(place / choice.watch)
    return msgspec.structs.replace(choice, watch=watch, directory=str(place), boundary=True)


def _is_this_python(executable: str) -> bool:
    """Whether that is the same interpreter in the same place: a virtual environment's is a link to that outside."""
    places = {os.path.realpath(os.path.dirname(each)) for each in (executable, sys.executable)}
    return len(places) == 1 and os.path.samefile(executable, sys.executable)


def experiment_behind(scenario: Scenario) -> Experiment:
    """The experiment of a scenario whose command is such a choice.

    The watched directory, which nothing touches, must be empty or absent, as it is at the beginning of each run.
    Raises UsageError where it is not, and where the program cannot be read.
    """
    choice = scenario.command
    assert choice is not None
    if len(choice.words) < 2 or choice.directory is None:
        raise UsageError("command: a program behind the boundary needs its words and its directory")
    place, watch = Path(choice.directory), Path(choice.watch)
    check_empty(watch)
    _, file, *words = choice.words
    program = Script(file, words, place=place, watch=watch)
    return Experiment(
        msgspec.structs.replace(scenario, invariants=scenario.invariants or JUDGED),
        programs=[program] * scenario.cluster.world_size,
    )


def holds_calls(scenario: Mapping[str, Any]) -> bool:
    """Whether a trace with this scenario is one of held system calls."""
    command = scenario.get("command")
    return command is not None and not command.get("boundary")
