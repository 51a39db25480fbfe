"""What people give to the public functions: strategies as classes or instances, invariants by name and as functions."""

from __future__ import annotations

import copy
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

from simulator.errors import UsageError


class StrategyLike(Protocol):
    """An instance of a strategy; the class itself will do too."""

    def save(self, rank: Any, state: Any, step: int) -> Any:
        """Save a checkpoint."""
        ...

    def pick(self, rank: Any) -> Any:
        """What a restart would resume from."""
        ...


Invariants: TypeAlias = Sequence[Callable[..., Any] | str]
"""Names select built-in invariants (without a name all count), functions add some of one's own."""


def reference_of(thing: Any) -> str | None:
    """How a scenario names a function or class so that another process finds it; None where nobody could.

    One program for each rank has no such name, and neither has a function inside a function.
    """
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "<")
    if module is None or "<" in name:
        return None
    if getattr(sys.modules.get(module), "__package__", None):
        return f"{module}:{name}"
    # A script, or a module that only this process can import by its name.
    try:
        file = inspect.getsourcefile(thing)
    except (OSError, TypeError):
        return None
    return None if file is None else f"{os.path.abspath(file)}:{name}"


def strategy_of(given: Any) -> tuple[str, Callable[[], Any]] | None:
    """The name of a strategy that was given as a class or as an instance, and what makes one; None for anything else.

    Each rank of each run has one of its own: a new one of the class, or a copy of the instance. Raises UsageError for
    a class that is no strategy, and for one that cannot be made without arguments.
    """
    kind = given if isinstance(given, type) else type(given)
    missing = [method for method in ("save", "pick") if not callable(getattr(given, method, None))]
    if missing:
        if isinstance(given, type):
            raise UsageError(
                f"the class {kind.__name__} is no strategy, as it has no method {missing[0]!r}; "
                "a plain program is a function of the rank"
            )
        return None
    name = (reference_of(kind) if isinstance(given, type) else None) or kind.__name__
    if not isinstance(given, type):
        return name, lambda: copy.deepcopy(given)
    try:
        kind()
    except (TypeError, ValueError) as error:
        raise UsageError(f"strategy {kind.__name__!r}: {error}; give an instance instead of the class") from error
    return name, kind


def split(invariants: Invariants) -> tuple[tuple[str, ...] | None, tuple[Callable[..., Any], ...]]:
    """The names of the invariants that count (None: all of them), and the functions among what was given.

    Raises UsageError for what is neither name nor function.
    """
    given = invariants.split(",") if isinstance(invariants, str) else invariants
    names = [each.strip() for each in given if isinstance(each, str)]
    checks = tuple(each for each in given if not isinstance(each, str))
    for check in checks:
        if not callable(check):
            raise UsageError(f"invariants: {check!r} is neither the name of one nor a function")
    if not names:
        return None, checks
    return (*names, *(str(getattr(check, "__name__", "invariant")) for check in checks)), checks
