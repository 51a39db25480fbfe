"""What the report of a failed race test says beside the traceback: reason, lanes, and how to run it again."""

from __future__ import annotations

import io
import os
import shlex
import sys
from pathlib import Path

import msgspec
import pytest

from simulator.campaigns.result import Result
from simulator.reports.terminal import console_for, print_trace
from simulator.trace import Trace

_TITLE = "checkpoint race"


class Account(msgspec.Struct, frozen=True):
    """The result of a race test that failed, and how it was found, in words."""

    result: Result
    found: str
    trace: Path | None
    """The file that holds the trace, if it could be written."""
    width: int


ACCOUNT = pytest.StashKey[Account | None]()
"""What is to be said of an item."""

NO_VERDICT = pytest.StashKey[bool]()
"""Set for an item that could not be carried out: neither passed nor failed, which no ``xfail`` excuses."""


def complete(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add it to the report, if the item failed by a race. A test without a verdict is no expected failure."""
    if item.stash.get(NO_VERDICT, False) and report.outcome == "skipped":
        report.outcome = "failed"
        del report.wasxfail
    account = item.stash.get(ACCOUNT, None)
    if account is None:
        return
    text = text_of(item, account)
    add = getattr(report.longrepr, "addsection", None)
    if add is not None:
        add(_TITLE, text)
    else:
        report.sections.append((_TITLE, text))


def text_of(item: pytest.Item, account: Account) -> str:
    """The reason and the lanes, then where it was found, where it is kept, and the command that replays it."""
    failure = account.result.failure
    assert failure is not None
    lines = [lanes_of(failure.trace, account.width), f"found   {account.found}"]
    if account.trace is not None:
        trace = _from_here(item, account.trace)
        command = ["pytest", _address(item), "--ckptrace-replay", trace]
        lines += [f"trace   {trace}", f"replay  {shlex.join(command)}"]
    return "\n".join(lines)


def lanes_of(trace: Trace, width: int) -> str:
    """The reason and the lanes, in characters that the terminal can show."""
    encoding = getattr(sys.__stdout__, "encoding", None) or "utf-8"
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    print_trace(console_for(file, width=width), trace)
    file.seek(0)
    return file.read()


def _address(item: pytest.Item) -> str:
    """The node id from the directory in which pytest was started."""
    _, _, names = item.nodeid.partition("::")
    return f"{_from_here(item, item.path)}::{names}"


def _from_here(item: pytest.Item, path: Path) -> str:
    here = item.config.invocation_params.dir
    try:
        return os.path.relpath(path, here)
    except ValueError:
        return str(path)
