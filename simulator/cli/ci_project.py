"""Which files ``ckptrace ci`` runs: those that are named, else those of the project in the current directory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from simulator import trace as traces
from simulator.campaigns.suite.cases import Case, Expectation
from simulator.cli.options import ScenarioOptions
from simulator.cli.scenarios import beside, with_options
from simulator.errors import UsageError
from simulator.experiment import Experiment
from simulator.scenario import from_table, read_table

PROJECT = Path("pyproject.toml")
_REGRESSIONS = "regressions"


class Project(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"for_": "for"}):
    """The table ``[tool.ckptrace]`` of a project; options of the command override it.

    ``scenarios`` are files, directories and patterns, ``regressions`` the directory of the traces that are replayed
    first. ``for`` is the time budget, as in ``5m``.
    """

    scenarios: tuple[str, ...] = ("scenarios",)
    regressions: str | None = None
    for_: str | None = None
    schedules: int | None = None


def project() -> Project:
    """What the ``pyproject.toml`` of the current directory says, if there is one. Raises UsageError, naming the key."""
    if not PROJECT.exists():
        return Project()
    tools = read_table(PROJECT).get("tool", {})
    try:
        return msgspec.convert(tools.get("ckptrace", {}) if isinstance(tools, dict) else {}, Project)
    except msgspec.ValidationError as error:
        keys = ", ".join(field.encode_name for field in msgspec.structs.fields(Project))
        raise UsageError(f"{PROJECT}: [tool.ckptrace]: {error}; its keys are {keys}") from error


def cases_of(paths: Sequence[Path], known: Project, regressions: Path | None) -> list[Case]:
    """The cases of files and directories, or of the project where none is named. Each file is taken once.

    A directory stands for its ``*.toml``, and for the traces in its directory ``regressions`` unless another one is
    given. Raises UsageError, naming the path, for a file that cannot be read, for code that cannot be found or
    imported, and when there is nothing to run.
    """
    places = list(paths) or [found for pattern in known.scenarios for found in _matching(pattern)]
    kept = regressions or (None if known.regressions is None or paths else Path(known.regressions))
    if kept is not None and not kept.is_dir():
        raise UsageError(f"{kept}: no such directory")
    files: dict[Path, Path] = {}
    for file in [*(() if kept is None else sorted(kept.glob("*.json"))), *_files(places, with_kept=kept is None)]:
        files.setdefault(file.resolve(), file)
    if not files:
        raise UsageError(
            f"no scenario files: {', '.join(map(str, places)) or ', '.join(known.scenarios)} has none; name files or "
            f"directories, or set scenarios in [tool.ckptrace] of {PROJECT}"
        )
    return [_case(file) for file in files.values()]


def _matching(pattern: str) -> list[Path]:
    if not any(character in pattern for character in "*?["):
        return [Path(pattern)] if Path(pattern).exists() or pattern not in Project().scenarios else []
    return sorted(Path().glob(pattern))


def _files(places: Sequence[Path], *, with_kept: bool) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            if with_kept:
                yield from sorted((place / _REGRESSIONS).glob("*.json"))
            yield from sorted(place.glob("*.toml"))
        else:
            yield place


def _case(file: Path) -> Case:
    if file.suffix == ".json":
        recorded = traces.load(file)
        from_table(recorded.scenario, str(file))
        return Case(file, recorded)
    table = read_table(file)
    known_bug = isinstance(table.get("scenario"), dict)
    scenario = from_table(table["scenario"] if known_bug else table, str(file))
    expected = _expectation(file, table.get("expect")) if known_bug else None
    try:
        scenario = with_options(beside(file, scenario), ScenarioOptions())
        Experiment(scenario)  # Finds and imports the code under test, so that a wrong name is told before any search.
    except UsageError as error:
        raise error if str(error).startswith(str(file)) else UsageError(f"{file}: {error}") from error
    return Case(file, scenario, expected)


def _expectation(file: Path, table: Any) -> Expectation | None:
    if table is None:
        return None
    try:
        return msgspec.convert(table, Expectation)
    except msgspec.ValidationError as error:
        raise UsageError(f"{file}: expect: {error}") from error
