"""The end of a search: its trace is kept, its report printed, and the exit code follows from the verdict."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from simulator.campaigns.replay.confirming import Confirmation, confirmed_unless_ended
from simulator.campaigns.result import Result
from simulator.cli.output import Outputs, write_json, write_trace
from simulator.cli.standard_output import refusal
from simulator.errors import CannotDo
from simulator.interruption import finishing, leaving
from simulator.reports.result_object import result_object
from simulator.reports.terminal import console_for, print_further, print_result
from simulator.scenario import Scenario

EXIT_CODES = {"clean": 0, "certified": 0, "violated": 1, "incomplete": 3}
_CANNOT_DO = 3


def conclude(result: Result, out: Path, json: str | None, *, confirm: bool, more: dict[str, Any] | None = None) -> int:
    """Write the traces of the failures, print the report (unless standard output is for JSON), give the exit code.

    ``more`` is put beside what is written as JSON.

    A failure on which model and disk disagree is a fault of this tool and no finding: its exit code is 3. Raises
    CannotDo, naming the trace, where standard output cannot be written to; if only its reader is gone, nothing is said.
    CannotDo as well, once the report is printed, where a file cannot be written. A signal does not disturb any of that.
    """
    outputs = Outputs()
    with finishing():
        paths = [outputs.write(write_trace, failure.trace, out) for failure in result.failures]
    confirmations = [confirmed_unless_ended(failure) if confirm else None for failure in result.failures]
    lost: OSError | None = None
    with finishing():
        table = {**result_object(result, paths, confirmations), **(more or {})} if json is not None else None
        try:
            if json == "-":
                write_json(table, json)
            else:
                _print(result, paths, confirmations)
        except (OSError, SystemExit):  # The latter is what rich makes of a pipe that is not read.
            lost = refusal()
            if lost is None:
                raise
        if json is not None and json != "-":
            outputs.write(write_json, table, json)
    if lost is not None and not isinstance(lost, BrokenPipeError):
        written = ", ".join(str(path) for path in paths if path is not None)
        kept = f"; the failure's trace is {written}" if written else ""
        raise CannotDo(f"standard output: {lost.strerror} (verdict: {result.verdict}{kept})")
    outputs.conclude(result.verdict)
    outcomes = {None if confirmation is None else confirmation.outcome for confirmation in confirmations}
    if outcomes == {"disagree"}:
        return _CANNOT_DO
    return EXIT_CODES[result.verdict]


def searched(scenario: Scenario, search: Callable[[], Result]) -> Result:
    """What a search gives; nothing, which is incomplete, where the command is to end before there is anything."""
    started = time.perf_counter()
    table: dict[str, Any] = msgspec.to_builtins(scenario)
    nothing = Result("incomplete", 0, 0.0, 0, table, coverage="no schedule was run to its end")
    result: Result | None = None
    with leaving() as left:
        result = search()
    if result is not None:
        return result
    return msgspec.structs.replace(nothing, seconds=time.perf_counter() - started, reason=left.by)


def _print(result: Result, paths: Sequence[Path | None], confirmations: Sequence[Confirmation | None]) -> None:
    console = console_for()
    print_result(console, result)
    for number, (failure, path, confirmation) in enumerate(zip(result.failures, paths, confirmations, strict=True)):
        console.print()
        if number:
            print_further(console, failure)
        if confirmation is not None:
            console.print(f"disk    {confirmation.text}", soft_wrap=True)
        if path is not None:
            console.print(f"trace   {path}", soft_wrap=True)
            console.print(f"replay  ckptrace replay {shlex.quote(str(path))}", soft_wrap=True)
    if result.hidden is not None:
        console.print()
        console.print(result.hidden, soft_wrap=True)
    sys.stdout.flush()
