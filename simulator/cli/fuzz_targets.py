"""The scenarios that ``ckptrace fuzz`` is asked to fuzz: files, directories of files, or options alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from simulator.campaigns.fuzzing.interface import Target
from simulator.cli.options import ScenarioOptions
from simulator.cli.scenarios import beside, with_options
from simulator.errors import UsageError
from simulator.reports.setting import subject
from simulator.scenario import Scenario, from_table, read_table


def targets_of(paths: Sequence[Path], options: ScenarioOptions) -> list[Target]:
    """The scenarios of files and directories, each with what the options say; without a path, what the options say.

    They are called as their files are. A file is taken once, however often it is named. Raises UsageError, naming the
    path, for one that is missing or no scenario, and for a directory without any.
    """
    if not paths:
        scenario = with_options(Scenario(), options)
        return [Target(subject({"strategy": _table(scenario), "program": scenario.program}), scenario)]
    files: dict[Path, Path] = {}
    for path in paths:
        for file in _files(path):
            files.setdefault(file.resolve(), file)
    return [Target(file.stem, _with_options(file, options)) for file in files.values()]


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found = sorted(path.glob("*.toml"))
    if not found:
        raise UsageError(f"{path}: no scenario files (*.toml) in this directory")
    yield from found


def _with_options(file: Path, options: ScenarioOptions) -> Scenario:
    try:
        return with_options(beside(file, _scenario(file)), options)
    except UsageError as error:
        raise error if str(error).startswith(f"{file}") else UsageError(f"{file}: {error}") from error


def _scenario(file: Path) -> Scenario:
    """The scenario of a file, or of a case of the corpus of bugs, which has it in a table beside what is expected."""
    table = read_table(file)
    return from_table(table["scenario"] if isinstance(table.get("scenario"), dict) else table, str(file))


def _table(scenario: Scenario) -> dict[str, object] | None:
    strategy = scenario.strategy
    return None if strategy is None else {"name": strategy.name, "options": dict(strategy.options)}
