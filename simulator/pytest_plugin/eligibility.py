"""Which tests can be run once a rank: plain functions and methods that take ``rank``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import TestCase

import pytest

from simulator.errors import UsageError
from simulator.pytest_plugin.marker import MARKER, Race, race_of

RACE = pytest.StashKey[Race]()
"""What the marker of an item says."""


def check_function(definition: pytest.Item, function: Callable[..., Any]) -> None:
    """At collection: fail, in one line, for a marker or a function that cannot be what is meant."""
    with _failing(definition):
        race_of(definition.iter_markers(MARKER))
        _check(function, _argument_names(definition))


def check_item(item: pytest.Item) -> None:
    """Before an item is set up: the same for a marker of one set of parameters; and no item of another kind goes."""
    with _failing(item):
        if not isinstance(item, pytest.Function) or (item.cls is not None and issubclass(item.cls, TestCase)):
            raise UsageError(f"{MARKER}: only a test function or method of pytest's own kind can be run once a rank")
        item.stash[RACE] = race_of(item.iter_markers(MARKER))
        _check(item.obj, _argument_names(item))
        if "rank" in getattr(getattr(item, "callspec", None), "params", {}):
            raise UsageError(f"{MARKER}: the test is parametrized with 'rank', which is what the marker gives it")


@contextmanager
def _failing(item: pytest.Item) -> Iterator[None]:
    """A usage error is one line that names the test."""
    try:
        yield
    except UsageError as error:
        raise pytest.fail.Exception(f"{item.name}: {error}", pytrace=False) from None


def _argument_names(item: pytest.Item) -> Sequence[str]:
    """The arguments that pytest gives to the test function: not those that a decorator gives."""
    information: Any = getattr(item, "_fixtureinfo", None)
    return () if information is None else tuple(information.argnames)


def _check(function: Callable[..., Any], arguments: Sequence[str]) -> None:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise UsageError(f"{MARKER}: the test is async; a rank is a plain function")
    if getattr(function, "is_hypothesis_test", False):
        raise UsageError(
            f"{MARKER}: the test has @given, too; each of them runs the test by itself, so it can have only one"
        )
    if "rank" not in arguments:
        raise UsageError(f"{MARKER}: the test takes no argument 'rank', so it cannot tell which rank it is")
