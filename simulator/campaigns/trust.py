"""Which code a recording may have run here: what a trace names is somebody's request to run it.

A trace file names a strategy, a function or a command, and a replay runs it. It may come from anybody: an issue, a
mail, a pull request. So nothing that a trace *file* names is imported or started unless one of these holds:

- the trace was recorded here: it bears this user's seal, a keyed hash (RFC 2104) of all that it would run. The key is
  made on the first recording and lies in ``$XDG_STATE_HOME/ckptrace`` (``~/.local/state/ckptrace``), readable by its
  owner only. This is how Jupyter tells notebooks of one's own from others;
- it names a strategy that an installed package registers to be run by ckptrace;
- it names a file or module of the project of the current directory, which whoever works there runs anyway. A command
  is none of these, since a trace chooses its arguments;
- ``ckptrace ci`` takes it from the project that it lies in: that is code like the rest of it. There a command counts,
  too, if it is ``python FILE`` or ``python -m MODULE`` of the project;
- the user says so: ``--trust``, ``trust=True``, or the command itself behind ``--``.

The digest of a trace tells damage, not origin: anybody can compute it.
"""

from __future__ import annotations

import hmac
import importlib.util
import os
import secrets
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path
from typing import Any, Final

import msgspec

from simulator import registry
from simulator.errors import UsageError
from simulator.portable import MARKERS, at_home, project_of
from simulator.scenario import CommandChoice, Scenario, from_table
from simulator.trace import Trace, escaped

_KEY_LENGTH: Final = 32
_HARMLESS: Final = frozenset({"-B", "-E", "-I", "-P", "-s", "-u"})
"""Options of Python that import nothing."""
_PACKAGES: Final = frozenset({"site-packages", "dist-packages"})


class Trust(msgspec.Struct, frozen=True):
    """What the user has said: ``everything`` may run; ``kept``: the trace is one that its project keeps."""

    everything: bool = False
    kept: bool = False


NO_TRUST: Final = Trust()


class Code(msgspec.Struct, frozen=True):
    """One thing that a replay would run: in words, and the file where it is, if it is of a file."""

    said: str
    file: Path | None = None
    command: CommandChoice | None = None


def code_of(scenario: Scenario) -> Iterator[Code]:
    """What a replay would run, but for registered strategies. The scenario's files are where they are."""
    strategy = scenario.strategy
    if strategy is not None and strategy.name not in registry.names():
        yield _referenced(strategy.name)
    for reference in (scenario.program, scenario.pick):
        if reference is not None and "::" not in reference:  # A pytest test, which pytest alone can run.
            yield _referenced(reference)
    choice = scenario.command
    if choice is not None:
        yield Code(f"the command {shlex.join(choice.words)!r} in {choice.directory or os.getcwd()}", command=choice)


def check(trace: Trace, scenario: Scenario, trust: Trust = NO_TRUST) -> None:
    """Raise UsageError, naming what would run, for a trace from a file that may not have it run.

    ``scenario`` is the trace's, with its files where they are.
    """
    directory = trace.directory()
    if directory is None or trust.everything or is_sealed(trace):
        return
    project = project_of(directory if trust.kept else Path.cwd())
    for code in code_of(scenario):
        if project is None or not _is_of(code, project, kept=trust.kept):
            how = "--trust" if code.command is None or trust.kept else "--trust, or the command itself behind --,"
            raise UsageError(
                f"the trace was not recorded here and would run {code.said}{_not_of(code, project)}: "
                f"{how} lets it; trust=True in Python"
            )


def announced(trace: Trace, trust: Trust = NO_TRUST) -> list[str]:
    """What a replay of a trace that was not recorded here is about to run, a line each; nothing of one's own."""
    directory = trace.directory()
    if directory is None or is_sealed(trace):
        return []
    scenario = at_home(from_table(trace.scenario, "the trace's scenario"), directory)
    check(trace, scenario, trust)
    return [f"not recorded here; runs {code.said}" for code in code_of(scenario)]


def seal_of(scenario: Any) -> str:
    """The seal of a recording that was made here; empty where no key can be kept."""
    key = _key(make=True)
    return "" if key is None else _sealed(scenario, key)


def is_sealed(trace: Trace) -> bool:
    """Whether the trace was recorded by this user."""
    key = _key(make=False) if trace.seal else None
    return key is not None and hmac.compare_digest(trace.seal.encode(), _sealed(trace.scenario, key).encode())


def _sealed(scenario: Any, key: bytes) -> str:
    plain = msgspec.json.encode(escaped(scenario), order="sorted")
    return hmac.new(key, plain, "sha256").hexdigest()


def _key(*, make: bool) -> bytes | None:
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    path = Path(state) / "ckptrace" / "key"
    try:
        if make and not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent)  # Readable by its owner only.
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(secrets.token_bytes(_KEY_LENGTH))
                os.link(temporary, path)  # Of two processes, the first one's counts.
            except FileExistsError:
                pass
            finally:
                os.unlink(temporary)
        key = path.read_bytes()
    except OSError:
        return None
    return key if len(key) == _KEY_LENGTH else None


def _referenced(reference: str) -> Code:
    place, _, name = reference.rpartition(":")
    if place.endswith(".py"):
        return Code(f"{name} of {place}", Path(place))
    module = place or reference
    return Code(f"{name} of the module {module}", _file_of(module.partition(".")[0]))


def _file_of(package: str) -> Path | None:
    """Where a module or package without dots is, found without importing anything."""
    try:
        spec = importlib.util.find_spec(package) if package.isidentifier() else None
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    found = spec.origin or next(iter(spec.submodule_search_locations or ()), None)
    return None if found is None or not os.path.isabs(found) else Path(found)


def _not_of(code: Code, project: Path | None) -> str:
    if project is None:
        return f", and {Path.cwd()} is no project (it has none of {', '.join(MARKERS)})"
    return "" if code.command is not None else f", which is no code of the project in {project}"


def _is_of(code: Code, project: Path, *, kept: bool) -> bool:
    """Whether it is code of the project."""
    if code.command is None:
        return _lies_in(code.file, project)
    return kept and _starts_code_of(code.command, project)


def _starts_code_of(choice: CommandChoice, project: Path) -> bool:
    """Whether the command is this Python with a file or a module of the project, in a directory of the project."""
    directory = Path(choice.directory or os.getcwd())
    if len(choice.words) < 2 or not _lies_in(directory, project) or not _lies_in(directory / choice.watch, project):
        return False
    interpreter = choice.words[0]
    found = shutil.which(interpreter)
    if found is None or not Path(interpreter).name.startswith("python"):
        return False
    if "/" in interpreter and os.path.realpath(found) != os.path.realpath(sys.executable):
        return False
    words = list(dropwhile(_HARMLESS.__contains__, choice.words[1:]))
    if not words or words[0] != "-m":
        return bool(words) and not words[0].startswith("-") and _lies_in(directory / words[0], project)
    module = Path(*words[1].split(".")) if len(words) > 1 and words[1] else Path("-")
    places = (directory / module / "__main__.py", directory / module.with_suffix(".py"))
    return any(_lies_in(place, project) and place.is_file() for place in places)


def _lies_in(file: Path | None, project: Path) -> bool:
    """Whether a file or directory is one of the project, and not of a package in an environment within it."""
    if file is None:
        return False
    real = Path(os.path.realpath(file))
    return real.is_relative_to(project) and _PACKAGES.isdisjoint(real.parts)
