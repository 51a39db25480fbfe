"""What a recording names of the world outside, so that it holds in another checkout and tells nobody's directories.

Paths within the project are written relative to its root, beside a hash of each source, so that a replay can say what
has changed since. The *project* of a directory is the nearest one above it, or itself, that has one of ``MARKERS``;
without one, paths are relative to the current directory. A file of an installed package is named from its
``site-packages`` on. Whatever else lies outside keeps its absolute path: nothing else leads to it.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from simulator.errors import UsageError
from simulator.scenario import CommandChoice, Scenario

MARKERS: Final = (".git", ".hg", "pyproject.toml", "setup.cfg", "setup.py")
_PROJECT: Final = "<project>"
"""Stands for the project's root in the words of a command, which may have it anywhere in them."""
_PACKAGES: Final = ("/site-packages/", "/dist-packages/")


def project_of(directory: Path) -> Path | None:
    """The root of the project that a directory belongs to; None where nothing marks one."""
    real = Path(os.path.realpath(directory))
    for place in (real, *real.parents):
        if any(os.path.lexists(place / marker) for marker in MARKERS):
            return place
    return None


def here() -> Path:
    """The root of the project of the current directory, or that directory."""
    return project_of(Path.cwd()) or Path.cwd()


def relative(path: str | Path) -> str:
    """The path of a file or directory as a recording names it."""
    return _below(os.path.abspath(path), here())


def site(place: str) -> str:
    """``file:line`` of the code under test as a recording names it."""
    for packages in _PACKAGES:
        _, found, rest = place.rpartition(packages)
        if found:
            return rest
    file, colon, line = place.rpartition(":")
    return f"{relative(file)}:{line}" if colon and os.path.isabs(file) else place


def located(path: str, recording: Path | None = None) -> Path:
    """Where the file or directory of a recorded path is. ``recording`` is the directory of the trace file.

    It is looked for in the trace's own project, in that of the current directory, there, and from each directory above
    the trace; a file also by its name alone beside the trace. Where it is nowhere, the first of those places is given.
    """
    given = Path(path)
    places = [given] if given.is_absolute() else [here() / given, Path.cwd() / given]
    if recording is not None:
        own = project_of(recording)
        if not given.is_absolute():
            places[:0] = [] if own is None else [own / given]
            places += [above / given for above in (recording, *recording.parents)]
        places.append(recording / given.name)
    return next((place for place in places if _exists(place)), places[0])


def portable(scenario: Scenario) -> Scenario:
    """The scenario as a recording has it."""
    program = scenario.program
    if program is not None and "::" in program:  # A pytest test.
        file, _, name = program.partition("::")
        scenario = msgspec.structs.replace(scenario, program=f"{relative(file)}::{name}")
    choice = scenario.command
    return msgspec.structs.replace(
        scenario.with_files(relative), command=None if choice is None else _portable_command(choice)
    )


def at_home(scenario: Scenario, recording: Path | None) -> Scenario:
    """The scenario of a recording with its files and directories where they are: the inverse of ``portable``.

    Raises UsageError, naming it, for a file that is neither where the recording says nor beside it.
    """

    def found(path: str) -> str:
        place = located(path, recording)
        if not place.is_file():
            beside = (
                "" if recording is None else f"; there is no {Path(path).name} beside the trace in {recording} either"
            )
            raise UsageError(f"{path}: no such file{beside}")
        return str(place)

    choice = scenario.command
    return msgspec.structs.replace(
        scenario.with_files(found), command=None if choice is None else _command_at_home(choice, recording)
    )


def sources_of(scenario: Scenario) -> dict[str, str]:
    """A hash of each source that a scenario in portable form names, by its path there, or its module's name."""
    return {name: digest for name, file in _sources(scenario, None) if (digest := _digest(file)) is not None}


def changed(scenario: Scenario, sources: Mapping[str, str], recording: Path | None) -> list[str]:
    """A line for each of a recording's sources that is another one here. ``scenario`` is in portable form."""
    return [
        f"{name} has changed since it was recorded"
        for name, file in _sources(scenario, recording)
        if name in sources and _digest(file) not in (None, sources[name])
    ]


def _sources(scenario: Scenario, recording: Path | None) -> Iterator[tuple[str, Path]]:
    strategy = None if scenario.strategy is None else scenario.strategy.name
    for reference in (strategy, scenario.program, scenario.pick):
        if reference is None:
            continue
        place = reference.partition("::")[0] if "::" in reference else reference.rpartition(":")[0]
        if place.endswith(".py"):
            yield place, located(place, recording)
        elif place in sys.modules and (file := getattr(sys.modules[place], "__file__", None)):
            yield place, Path(file)
    choice = scenario.command
    if choice is not None and choice.directory is not None:
        directory = located(choice.directory, recording)
        for word, file in zip(choice.words, _command_at_home(choice, recording).words, strict=True):
            path = directory / file
            if _below(os.path.abspath(path), here()) != os.path.abspath(path) and path.is_file():
                yield word, path


def _portable_command(choice: CommandChoice) -> CommandChoice:
    root = here()
    directory = choice.directory or os.getcwd()
    below = _below(directory, root)
    if below == directory or any(_PROJECT in word for word in choice.words):
        return msgspec.structs.replace(choice, directory=directory)
    return msgspec.structs.replace(
        choice,
        words=tuple(re.sub(rf"{re.escape(str(root))}(?![\w.-])", _PROJECT, word) for word in choice.words),
        watch=_below(os.path.normpath(os.path.join(directory, choice.watch)), root),
        directory=below,
    )


def _command_at_home(choice: CommandChoice, recording: Path | None) -> CommandChoice:
    """A command that was recorded with an absolute directory has nothing that stands for one."""
    if choice.directory is None or os.path.isabs(choice.directory):
        return choice
    directory = located(choice.directory, recording)
    # Up as many levels as the recorded directory lies below the root.
    root = directory if choice.directory == "." else directory.parents[len(Path(choice.directory).parts) - 1]
    return msgspec.structs.replace(
        choice,
        words=tuple(word.replace(_PROJECT, str(root)) for word in choice.words),
        watch=os.path.join(root, choice.watch),
        directory=str(directory),
    )


def _below(path: str, root: Path) -> str:
    """The path relative to the root, or as it is where it lies elsewhere or the root is that of the machine."""
    if root == Path(root.anchor) or not Path(path).is_relative_to(root):
        return path
    return Path(path).relative_to(root).as_posix()


def _digest(file: Path) -> str | None:
    try:
        return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # Too long, or with a NUL.
        return False
