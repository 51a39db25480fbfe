"""The end of a search: its trace is kept, its report printed, and the exit code follows from the verdict."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from simulator.campaigns.replay.confirming import Confirmation, confirm as ask_the_disk
from simulator.campaigns.result import Failure, Result
from simulator.cli.output import write_json, write_trace
from simulator.cli.standard_output import refusal
from simulator.errors import CannotDo, CkptraceError
from simulator.reports.result_object import result_object
from simulator.reports.terminal import console_for, print_result

EXIT_CODES = {"clean": 0, "certified": 0, "violated": 1, "incomplete": 3}
_CANNOT_DO = 3


def conclude(result: Result, out: Path, json: str | None, *, confirm: bool, more: dict[str, Any] | None = None) -> int:
    """Write the trace of a failure, print the report (unless standard output is for JSON), give the exit code.

    ``more`` is put beside what is written as JSON.

    A failure on which model and disk disagree is a fault of this tool and no finding: its exit code is 3. Raises
    CannotDo, naming the trace, where standard output cannot be written to; if only its reader is gone, nothing is said.
    """
    failure = result.failure
    path = write_trace(failure.trace, out) if failure is not None else None
    confirmation = _confirmation(failure) if failure is not None and confirm else None
    lost: OSError | None = None
    table = {**result_object(result, path, confirmation), **(more or {})} if json is not None else None
    try:
        if json == "-":
            write_json(table, json)
        else:
            _print(result, path, confirmation)
    except (OSError, SystemExit):  # The latter is what rich makes of a pipe that is not read.
        lost = refusal()
        if lost is None:
            raise
    if json is not None and json != "-":
        write_json(table, json)
    if lost is not None and not isinstance(lost, BrokenPipeError):
        kept = f"; the failure's trace is {path}" if path is not None else ""
        raise CannotDo(f"standard output: {lost.strerror} (verdict: {result.verdict}{kept})")
    if confirmation is not None and confirmation.outcome == "disagree":
        return _CANNOT_DO
    return EXIT_CODES[result.verdict]


def _print(result: Result, path: Path | None, confirmation: Confirmation | None) -> None:
    console = console_for()
    print_result(console, result)
    if path is not None:
        console.print()
        if confirmation is not None:
            console.print(f"disk    {confirmation.text}", soft_wrap=True)
        console.print(f"trace   {path}", soft_wrap=True)
        console.print(f"replay  ckptrace replay {shlex.quote(str(path))}", soft_wrap=True)
    sys.stdout.flush()


def _confirmation(failure: Failure) -> Confirmation:
    """What the disk says; where it cannot be asked, that is what is said."""
    try:
        return ask_the_disk(failure)
    except CkptraceError as error:
        return Confirmation("not asked", f"not confirmed: {error}")
