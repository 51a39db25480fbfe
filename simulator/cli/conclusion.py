"""The end of a search: its trace is kept, its report printed, and the exit code follows from the verdict."""

from __future__ import annotations

from pathlib import Path

from simulator.campaigns.result import Result
from simulator.cli.output import write_json, write_trace
from simulator.reports.result_object import result_object
from simulator.reports.terminal import console_for, print_result

EXIT_CODES = {"clean": 0, "certified": 0, "violated": 1, "incomplete": 3}


def conclude(result: Result, out: Path, json: str | None) -> int:
    """Write the trace of a failure, print the report (unless standard output is for JSON), give the exit code."""
    path = write_trace(result.failure.trace, out) if result.failure is not None else None
    if json != "-":
        console = console_for()
        print_result(console, result)
        if path is not None:
            console.print()
            console.print(f"trace   {path}", soft_wrap=True)
            console.print(f"replay  ckptrace replay {quoted(path)}", soft_wrap=True)
    if json is not None:
        write_json(result_object(result, path), json)
    return EXIT_CODES[result.verdict]


def quoted(path: Path) -> str:
    """The path as a shell takes it."""
    import shlex

    return shlex.quote(str(path))
