"""Checks what people give to the public functions, so that a mistake is told by the name of the argument."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from numbers import Integral, Real
from typing import Any, ParamSpec, TypeVar

import msgspec

from simulator.errors import UsageError
from simulator.faults import Faults
from simulator.scenario import FilesystemChoice

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=msgspec.Struct)

_MEANT = {"fs": "filesystem", "profile": "filesystem", "strategy": "programs", "program": "programs"}
"""What people call arguments, and what these are called."""


def named_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """The same function, which raises UsageError with a hint for a keyword that it does not take."""
    known = list(inspect.signature(function).parameters)

    @wraps(function)
    def checked(*arguments: P.args, **named: P.kwargs) -> R:
        for name in named:
            if name not in known:
                raise UsageError(f"{function.__name__}: unknown argument {name!r}; {_hint(name, known)}")
        return function(*arguments, **named)

    return checked


def _hint(name: str, known: list[str]) -> str:
    if "faults" in known and (name in Faults.__struct_fields__ or name == "error"):
        field = "errors" if name == "error" else name
        value = "(simulator.ErrorRule(…),)" if field == "errors" else "…"
        return f"did you mean faults=simulator.Faults({field}={value})?"
    close = [_MEANT[name]] if _MEANT.get(name) in known else get_close_matches(name, known, 1)
    return f"did you mean {close[0]}=?" if close else f"it takes {', '.join(known)}"


def none_beside(what: str, **given: Any) -> None:
    """Raise UsageError, naming the first argument that was given, as ``what`` holds all of them itself."""
    for name, value in given.items():
        if value is not None:
            raise UsageError(f"{name}: the {what} says that itself, so {name}={value!r} would not count")


def whole(name: str, value: Any) -> None:
    """Raise UsageError, naming the argument, for what is no whole number; None is left to the default."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, Integral)):
        raise UsageError(f"{name}: must be a whole number, is {value!r}")


def number(name: str, value: Any) -> None:
    """Raise UsageError, naming the argument, for what is no number; None is left to the default."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, Real)):
        raise UsageError(f"{name}: must be a number, is {value!r}")


def text(name: str, value: Any) -> None:
    """Raise UsageError, naming the argument, for what is no string; None is left to the default."""
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{name}: must be a name, is {value!r}")


def function_or_none(name: str, value: Any) -> None:
    """Raise UsageError, naming the argument, for what cannot be called."""
    if value is not None and not callable(value):
        raise UsageError(f"{name}: must be a function, is {value!r}")


def faults_given(value: Any) -> Faults:
    """The budget that was given, its fields of the right types. Raises UsageError naming what is wrong."""
    if value is None:
        return Faults()
    if not isinstance(value, Faults):
        said = ", ".join(f"{key}={held!r}" for key, held in value.items()) if isinstance(value, dict) else "…"
        raise UsageError(f"faults: must be simulator.Faults({said}), is {value!r}")
    return _typed("faults", value)


def filesystem_given(value: Any) -> FilesystemChoice:
    """A file system by the name of its profile, or with options. Raises UsageError naming what is wrong."""
    if isinstance(value, str):
        return FilesystemChoice(value)
    if not isinstance(value, FilesystemChoice):
        raise UsageError(f"filesystem: must be the name of a profile (`ckptrace profiles` lists them), is {value!r}")
    return _typed("filesystem", value)


def _typed(name: str, value: S) -> S:
    """The same, as it is once a file has held it: a struct that is made in Python checks no types."""
    try:
        return msgspec.convert(msgspec.to_builtins(value), type(value))
    except (msgspec.ValidationError, TypeError) as error:
        what, _, where = str(error).replace("`", "'").partition(" - at '$")
        raise UsageError(f"{name}{where.rstrip(chr(39))}: {what}") from error
