"""Strategies by name: those that installed packages register, and classes in files."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from simulator.errors import UsageError

GROUP = "ckptrace.strategies"
"""The entry-point group by which any package can add a strategy: ``name = "module:Class"``."""


def names() -> list[str]:
    """The registered names, sorted as people count."""
    return sorted(_registered(), key=_natural)


def strategy_class(name: str) -> type[Any]:
    """The class behind a name or ``path/to/file.py:Class``. Raises UsageError naming what is unknown."""
    if ".py:" in name:
        return _from_file(name)
    registered = _registered()
    if name not in registered and ":" in name:
        found = function(name, "strategy")
        if not isinstance(found, type):
            raise UsageError(f"strategy: {name} is no class")
        return found
    if name not in registered:
        raise UsageError(f"unknown strategy {name!r}; {_hint(name)}")
    try:
        loaded: type[Any] = registered[name].load()
    except Exception as error:
        raise UsageError(f"strategy {name!r} cannot be imported: {type(error).__name__}: {error}") from error
    return loaded


def summary(name: str) -> str:
    """What a strategy says of itself in one sentence: the first paragraph of its module's text, or of its class's."""
    loaded = strategy_class(name)
    module = sys.modules.get(loaded.__module__)
    text = getattr(module, "__doc__", None) or loaded.__doc__ or ""
    return " ".join(text.strip().split("\n\n")[0].replace("``", "").split())


def options(name: str) -> dict[str, Any]:
    """The options that a strategy's constructor takes, each with its default (None where it has none)."""
    return {
        parameter.name: None if parameter.default is parameter.empty else parameter.default
        for parameter in inspect.signature(strategy_class(name)).parameters.values()
    }


def factory(name: str, options: Mapping[str, Any]) -> Callable[[], Any]:
    """A function that makes a fresh instance. Raises UsageError for an option that the constructor does not take."""
    loaded = strategy_class(name)
    for method in ("save", "pick"):
        if not callable(getattr(loaded, method, None)):
            raise UsageError(f"strategy {name!r}: {loaded.__name__} has no method {method!r}")
    converted = _options(name, loaded, options)
    try:
        loaded(**converted)
    except (TypeError, ValueError) as error:
        raise UsageError(f"strategy {name!r}: {error}") from error
    return lambda: loaded(**converted)


def workload_of(strategy: type[Any]) -> dict[str, Any]:
    """What a strategy's class asks of the workload, by its attribute ``workload``: ``{"frozen": True}`` or nothing.

    Without a shard that never changes, a strategy that reuses such shards would never be seen to. It counts where a
    scenario does not say. Raises UsageError for anything else.
    """
    asked = dict(getattr(strategy, "workload", {}))
    for key, value in asked.items():
        if key != "frozen" or not isinstance(value, bool):
            raise UsageError(f"strategy {strategy.__name__}: workload: must be {{'frozen': True}}, is {asked!r}")
    return asked


def function(reference: str, key: str) -> Callable[..., Any]:
    """The function behind ``path/to/file.py:name`` or ``package.module:name``; ``key`` names it in messages.

    Raises UsageError when the place is not there, or holds no such function.
    """
    place, colon, name = reference.rpartition(":")
    if not colon or not place or not name:
        raise UsageError(f"{key}: must be path/to/file.py:function, is {reference!r}")
    if place.endswith(".py"):
        module = module_from_file(Path(place))
    else:
        try:
            module = importlib.import_module(place)
        except ImportError as error:
            raise UsageError(f"{key}: {place!r} cannot be imported: {error}") from error
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise UsageError(f"{key}: {place} has no function {name!r}")
    loaded: Callable[..., Any] = found
    return loaded


def module_from_file(path: Path) -> ModuleType:
    """Import a Python file. Raises UsageError naming the file when that fails.

    Its directory is put on the import path, as running it as a script would do, and stays there: functions may import
    their neighbours when they are called.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    name = f"ckptrace_user_{path.stem}_{abs(hash(str(path.resolve())))}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    directory = str(path.resolve().parent)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    try:
        # What it prints is no part of the tool's answer.
        with redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UsageError(f"{path}: cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _hint(name: str) -> str:
    """What may have been meant by a name that is none."""
    from difflib import get_close_matches

    if name.endswith(".py"):
        return f"name the class in it, too: {name}:Class"
    longer = [each for each in names() if name and each.startswith(name)]
    close = longer or get_close_matches(name, names(), 1, cutoff=0.75)
    did_you_mean = f"did you mean {close[0]}? " if close else ""
    return f"{did_you_mean}known are {', '.join(names())}, or path/to/file.py:Class"


@cache
def _registered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _natural(name: str) -> tuple[tuple[int, int | str], ...]:
    import re

    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part)


def _from_file(name: str) -> type[Any]:
    file, _, attribute = name.rpartition(":")
    module = module_from_file(Path(file))
    found = getattr(module, attribute, None)
    if not isinstance(found, type):
        raise UsageError(f"{file}: has no class {attribute!r}")
    return found


def _options(name: str, loaded: type[Any], options: Mapping[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(loaded).parameters
    converted: dict[str, Any] = {}
    for key, value in options.items():
        parameter = parameters.get(key)
        if parameter is None:
            known = ", ".join(parameters) or "none"
            raise UsageError(f"strategy {name!r} has no option {key!r}; its options are {known}")
        converted[key] = _convert(name, key, value, parameter.default)
    return converted


def _convert(name: str, key: str, value: Any, default: Any) -> Any:
    """A string from the command line as the type of the parameter's default."""
    if not isinstance(value, str):
        return value
    if isinstance(default, bool):
        lowered = value.lower()
        if lowered in ("true", "yes", "on", "1"):
            return True
        if lowered in ("false", "no", "off", "0"):
            return False
        raise UsageError(f"strategy {name!r}: option {key!r} must be true or false, is {value!r}")
    try:
        if isinstance(default, int):
            return int(value)
        if isinstance(default, float):
            return float(value)
    except ValueError as error:
        raise UsageError(f"strategy {name!r}: option {key!r} must be a number, is {value!r}") from error
    return value
