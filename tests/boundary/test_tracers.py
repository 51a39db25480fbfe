"""What a tracer asks the file system while a rank runs is not the rank's doing."""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType
from typing import Any

import pytest

from simulator.boundary.tracers import tracers_apart
from simulator.campaigns.single_rank import run_as_rank

WITH_MONITORING = pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="sys.monitoring is new in Python 3.12")


def program() -> list[str]:
    os.mkdir("a")
    return os.listdir(".")


def test_a_trace_function_sees_every_line_and_the_real_disk() -> None:
    seen: list[tuple[str, bool]] = []

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code is program.__code__:
            seen.append((event, os.path.lexists("a")))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with tracers_apart():
            listed = run_as_rank(program)
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)
    assert listed == ["a"]
    assert [event for event, _ in seen] == ["call", "line", "line", "return"]
    assert not any(found for _, found in seen), "the tracer has looked into the rank's file system"


def test_a_function_that_traces_one_frame_only_is_kept_apart_too() -> None:
    found: list[bool] = []

    def lines(frame: FrameType, event: str, arg: Any) -> Any:
        found.append(os.path.lexists("a"))
        return lines

    before = sys.gettrace()
    sys.settrace(lambda frame, event, arg: lines if frame.f_code is program.__code__ else None)
    try:
        with tracers_apart():
            run_as_rank(program)
    finally:
        sys.settrace(before)
    assert found == [False] * 3


@WITH_MONITORING
def test_so_is_a_monitor() -> None:
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]
    found: list[bool] = []

    def line(code: CodeType, number: int) -> None:
        if code is program.__code__:
            found.append(os.path.lexists("a"))

    monitoring.use_tool_id(5, "test")
    try:
        monitoring.register_callback(5, monitoring.events.LINE, line)
        monitoring.set_events(5, monitoring.events.LINE)
        with tracers_apart():
            listed = run_as_rank(program)
        assert monitoring.register_callback(5, monitoring.events.LINE, None) is line
    finally:
        monitoring.set_events(5, 0)
        monitoring.free_tool_id(5)
    assert listed == ["a"]
    assert found == [False] * 2


def test_without_a_tracer_nothing_changes() -> None:
    before = sys.gettrace()
    with tracers_apart():
        assert sys.gettrace() is before or before is not None
    assert sys.gettrace() is before
