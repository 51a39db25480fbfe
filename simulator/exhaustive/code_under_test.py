"""A digest of the code under test, so that a certificate says what it is about."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from types import CodeType
from typing import Any

from simulator import registry
from simulator.experiment import Experiment
from simulator.trace import software_versions


def digest_of_code(experiment: Experiment) -> str:
    """Of the source files of the programs or of the strategy, and of what they import from beside them.

    Code that has no source file counts by its bytecode. The standard library and installed packages do not count, but
    for the versions that a trace would name. What closures and arguments hold does not count.
    """
    total = blake2b(digest_size=16)
    strategy = experiment.scenario.strategy
    roots: list[Any] = [*experiment.checks]
    if strategy is not None:
        roots.append(registry.factory(strategy.name, strategy.options))
    else:
        roots += experiment.programs
    files: dict[str, bytes] = {}
    for root in roots:
        function = _unwrapped(root)
        file = _file_of(function)
        if file is None:
            total.update(_bytecode(function))
        else:
            files.update(_with_neighbours(file))
    for name in sorted(files):
        total.update(name.encode() + b"\0" + files[name])
    total.update(repr(sorted(software_versions().items())).encode())
    return total.hexdigest()


def _unwrapped(function: Any) -> Any:
    while hasattr(function, "func"):
        function = function.func
    return function if inspect.isclass(function) or hasattr(function, "__code__") else type(function)


def _file_of(function: Any) -> Path | None:
    try:
        file = inspect.getsourcefile(function)
    except TypeError:
        return None
    return Path(file) if file is not None and Path(file).is_file() else None


def _with_neighbours(file: Path) -> Iterator[tuple[str, bytes]]:
    """The file, and the loaded modules of its directory and below."""
    base = file.resolve().parent
    yield file.name, file.read_bytes()
    if base.name == "site-packages":
        return
    for module in list(sys.modules.values()):
        other = getattr(module, "__file__", None)
        if isinstance(other, str) and other.endswith(".py"):
            path = Path(other)
            if path.is_relative_to(base) and path.is_file():
                yield str(path.relative_to(base)), path.read_bytes()


def _bytecode(function: Callable[..., Any]) -> bytes:
    code = getattr(function, "__code__", None)
    return b"".join(_parts(code)) if isinstance(code, CodeType) else repr(function).encode()


def _parts(code: CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr(code.co_names).encode()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)
        else:
            yield repr(constant).encode()
