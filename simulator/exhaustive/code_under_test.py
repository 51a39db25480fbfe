"""A digest of the code under test, so that a certificate says what it is about."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from types import CodeType
from typing import Any

from simulator import registry
from simulator.experiment import Experiment
from simulator.trace import software_versions

_SIMULATOR = Path(registry.__file__).resolve().parent


def digest_of_code(experiment: Experiment) -> str:
    """Of the source files of the programs or of the strategy, and of what these import from beside them.

    Code that has no source file counts by its bytecode. The standard library and installed packages do not count, but
    for the versions that a trace would name. What closures and arguments hold does not count.
    """
    total = blake2b(digest_size=16)
    files: dict[str, bytes] = {}
    for root in [*experiment.checks, *roots_of(experiment)]:
        function = _unwrapped(root)
        file = _file_of(function)
        if file is None:
            total.update(_bytecode(function))
        else:
            directory, found = _with_imports(file.resolve())
            files.update((name, found[directory / name]) for name in (str(f.relative_to(directory)) for f in found))
    for name in sorted(files):
        total.update(name.encode() + b"\0" + files[name])
    total.update(repr(sorted(software_versions().items())).encode())
    return total.hexdigest()


def roots_of(experiment: Experiment) -> list[Any]:
    """Where the code under test begins: the class of the strategy, or the programs."""
    return [type(experiment.factory())] if experiment.factory is not None else list(experiment.programs)


def files_under_test(experiment: Experiment) -> dict[Path, str]:
    """The source files that count by their content, but for those of invariants, each with its name to people."""
    found: dict[Path, str] = {}
    for root in roots_of(experiment):
        file = _file_of(_unwrapped(root))
        if file is not None:
            directory, files = _with_imports(file.resolve())
            found.update((each, str(each.relative_to(directory))) for each in files)
    return found


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


def _with_imports(file: Path) -> tuple[Path, dict[Path, bytes]]:
    """The directory that its package is in; the file and what it imports, and so on, as far as that lies there.

    Read from the sources, not from what is loaded: the same whatever else has been imported, and when.
    """
    root = file.parent
    while (root / "__init__.py").is_file():
        root = root.parent
    found: dict[Path, bytes] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop()
        if path in found or path.is_relative_to(_SIMULATOR):
            continue
        found[path] = path.read_bytes()
        # What is installed is told apart by its version, but for the package of the code under test itself.
        inside = root / path.relative_to(root).parts[0] if root.name == "site-packages" else root
        waiting += [other for other in _imports(path, found[path], root) if other.is_relative_to(inside)]
    return root, found


def _imports(file: Path, source: bytes, root: Path) -> Iterator[Path]:
    """The files of the modules that a file imports anywhere, if they lie below ``root``."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [(root, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = file.parents[node.level - 1] if node.level else root
            module = node.module or ""
            names = [(start, f"{module}.{alias.name}".strip(".")) for alias in node.names]
            names.append((start, module))
        else:
            continue
        for start, name in names:
            path = start.joinpath(*name.split(".")) if name else start
            for candidate in (path.with_name(path.name + ".py"), path / "__init__.py"):
                if candidate.is_file() and candidate.is_relative_to(root):
                    yield candidate


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
