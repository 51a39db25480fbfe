"""Tracers run in the middle of a rank's code: coverage, debuggers, what Hypothesis and HypoFuzz watch a test with.

Some ask the file system which file a line belongs to. That must not become the rank's operation: the run would have
others than without a tracer, and others each time, since the answers are cached.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from simulator.boundary.caller import CURRENT, current


class _Apart:
    """A tracer's function, called in nobody's name. It gives back what the function does, apart as well."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        caller = current()
        if caller is None:
            return self.function(*arguments)
        CURRENT.caller = None
        try:
            return self.function(*arguments)
        finally:
            CURRENT.caller = caller


class _TraceApart(_Apart):
    """The same for a function of ``sys.settrace``, which gives the function that traces the frame further on."""

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        local = super().__call__(frame, event, arg)
        if local is None:
            return None
        return self if local == self.function else _TraceApart(local)


@contextmanager
def tracers_apart() -> Iterator[None]:
    """While in it, the tracers that are active in this thread when it begins do nothing in a rank's name."""
    trace = sys.gettrace()
    # One that is written in C would be called through Python from now on, and takes its own place back.
    apart = None if trace is None or isinstance(trace, _Apart) else _TraceApart(trace)
    if apart is not None:
        sys.settrace(apart)
    monitoring: Any = getattr(sys, "monitoring", None)  # New in Python 3.12.
    watching = [] if monitoring is None else _monitors_apart(monitoring)
    try:
        yield
    finally:
        for tool, event, function in watching:
            monitoring.register_callback(tool, event, function)
        if apart is not None and sys.gettrace() is apart:
            sys.settrace(trace)


def _monitors_apart(monitoring: Any) -> list[tuple[int, int, Any]]:
    """Replace the callbacks of ``sys.monitoring``; gives (tool, event, callback) of each."""
    numbers = {value for value in vars(monitoring.events).values() if isinstance(value, int) and value.bit_count() == 1}
    found = []
    for tool in filter(monitoring.get_tool, range(6)):
        for event in sorted(numbers):
            function = monitoring.register_callback(tool, event, None)
            if function is not None:
                monitoring.register_callback(tool, event, _Apart(function))
                found.append((tool, event, function))
    return found
