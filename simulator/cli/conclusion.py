"""The end of a search: its trace is kept, its report printed, and the exit code follows from the verdict."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.campaigns.replay.confirming import Confirmation, confirm as ask_the_disk
from simulator.campaigns.result import Failure, Result
from simulator.cli.output import write_json, write_trace
from simulator.cli.standard_output import refusal
from simulator.errors import CannotDo, CkptraceError
from simulator.reports.result_object import result_object
from simulator.reports.terminal import console_for, print_further, print_result

EXIT_CODES = {"clean": 0, "certified": 0, "violated": 1, "incomplete": 3}
_CANNOT_DO = 3


def conclude(result: Result, out: Path, json: str | None, *, confirm: bool, more: dict[str, Any] | None = None) -> int:
    """Write the traces of the failures, print the report (unless standard output is for JSON), give the exit code.

    ``more`` is put beside what is written as JSON.

    A failure on which model and disk disagree is a fault of this tool and no finding: its exit code is 3. Raises
    CannotDo, naming the trace, where standard output cannot be written to; if only its reader is gone, nothing is said.
    """
    paths = [write_trace(failure.trace, out) for failure in result.failures]
    confirmations = [_confirmation(failure) if confirm else None for failure in result.failures]
    lost: OSError | None = None
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
        write_json(table, json)
    if lost is not None and not isinstance(lost, BrokenPipeError):
        kept = f"; the failure's trace is {', '.join(map(str, paths))}" if paths else ""
        raise CannotDo(f"standard output: {lost.strerror} (verdict: {result.verdict}{kept})")
    outcomes = {None if confirmation is None else confirmation.outcome for confirmation in confirmations}
    if outcomes == {"disagree"}:
        return _CANNOT_DO
    return EXIT_CODES[result.verdict]


def _print(result: Result, paths: Sequence[Path], confirmations: Sequence[Confirmation | None]) -> None:
    console = console_for()
    print_result(console, result)
    for number, (failure, path, confirmation) in enumerate(zip(result.failures, paths, confirmations, strict=True)):
        console.print()
        if number:
            print_further(console, failure)
        if confirmation is not None:
            console.print(f"disk    {confirmation.text}", soft_wrap=True)
        console.print(f"trace   {path}", soft_wrap=True)
        console.print(f"replay  ckptrace replay {shlex.quote(str(path))}", soft_wrap=True)
    if result.hidden is not None:
        console.print()
        console.print(result.hidden, soft_wrap=True)
    sys.stdout.flush()


def _confirmation(failure: Failure) -> Confirmation:
    """What the disk says; where it cannot be asked, that is what is said."""
    try:
        return ask_the_disk(failure)
    except CkptraceError as error:
        return Confirmation("not asked", f"not confirmed: {error}")
