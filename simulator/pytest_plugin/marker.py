"""What ``@pytest.mark.checkpoint_race(...)`` says: its arguments, read and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

import msgspec
import pytest

from simulator.errors import UsageError
from simulator.faults import Faults
from simulator.scenario import Cluster, FilesystemChoice, Scenario

MARKER = "checkpoint_race"

DEFAULT_SCHEDULES = 1000
"""As many as ``simulator.explore`` runs."""


class Race(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of ``simulator.explore``; with ``certify`` those of ``simulator.certify``."""

    nodes: int = 2
    ranks_per_node: int = 1
    filesystem: str | FilesystemChoice = "shared"
    persistence: str | None = None
    faults: Faults | None = None
    restarts: int = 0
    pick: Any = None
    invariants: Any = ()
    seconds: float | None = None
    scheduler: str = "mixed"
    schedules: int | None = None
    seed: int | None = None
    certify: bool = False
    preemptions: int | None = None
    max_classes: int | None = None
    workers: int = 1


_OF_SAMPLING = ("scheduler", "schedules", "seed")
_OF_CERTIFYING = ("preemptions", "max_classes", "workers")


def race_of(marks: Iterable[pytest.Mark]) -> Race:
    """What the marks of a test say together, the closest first: what it does not name, the next may.

    Raises UsageError that names the argument that makes no sense.
    """
    given: dict[str, Any] = {}
    for mark in reversed(list(marks)):
        _check(mark)
        given |= mark.kwargs
    try:
        race = msgspec.convert(given, Race)
    except msgspec.ValidationError as error:
        raise UsageError(_offending(str(error), given)) from error
    if race.pick is not None and not callable(race.pick):
        raise UsageError(f"{MARKER}(pick={race.pick!r}): expected a function of the root")
    if race.schedules is not None and race.schedules < 1:
        raise UsageError(f"{MARKER}(schedules={race.schedules}): must be at least 1")
    try:
        _scenario(race).validate()
    except UsageError as error:
        raise UsageError(f"{MARKER}: {error}") from error
    for name in _OF_CERTIFYING:
        if name in given and not race.certify:
            raise UsageError(f"{MARKER}({name}={given[name]!r}): only together with certify=True")
    return race


def _scenario(race: Race) -> Scenario:
    """The values that can be checked before there is a program."""
    filesystem = race.filesystem
    if isinstance(filesystem, str):
        filesystem = FilesystemChoice(filesystem, race.persistence)
    return Scenario(
        cluster=Cluster(race.nodes, race.ranks_per_node),
        filesystem=filesystem,
        faults=race.faults or Faults(),
        restarts=race.restarts,
    )


def _check(mark: pytest.Mark) -> None:
    if mark.args:
        raise UsageError(f"{MARKER}({mark.args[0]!r}): takes arguments by name only")
    known = Race.__struct_fields__
    for name in mark.kwargs:
        if name not in known:
            close = get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(known)}"
            raise UsageError(f"{MARKER}: unknown argument {name!r}; {hint}")
    if mark.kwargs.get("certify") is True:
        for name in _OF_SAMPLING:
            if name in mark.kwargs:
                raise UsageError(
                    f"{MARKER}({name}={mark.kwargs[name]!r}, certify=True): certify goes through every class of "
                    f"interleavings, so it takes no {name!r}"
                )


_AT = re.compile(r"^(?P<what>.*) - at `\$\.(?P<name>\w+)(?P<inside>.*)`$")


def _offending(text: str, given: dict[str, Any]) -> str:
    """One line for an argument that msgspec has found to be of the wrong type, or to hold what is wrong."""
    found = _AT.match(text)
    if found is None:
        return f"{MARKER}: {text}"
    value = given[found["name"]]
    expected = re.fullmatch(r"Expected `(\w+).*`, got `\w+`", found["what"])
    if expected is None or found["inside"]:
        what = found["what"].replace("`", "'")
    else:
        what = f"expected {_TYPES.get(expected[1], expected[1])}, got {type(value).__name__}"
    return f"{MARKER}({found['name']}={value!r}): {what}"


_TYPES = {
    "str": "a name",
    "object": "simulator.Faults(...)",
    "int": "a whole number",
    "float": "a number",
    "bool": "True or False",
}
"""What msgspec calls the types of the arguments, and what they are."""
