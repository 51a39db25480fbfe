"""Reports for those who call from Python: ``simulator.as_text``, ``as_html``, ``save``."""

from __future__ import annotations

import io
from pathlib import Path

from simulator import trace as traces
from simulator.campaigns.replay.replaying import recording_of
from simulator.campaigns.result import Failure, Result
from simulator.errors import UsageError
from simulator.trace import Trace

Recorded = Result | Failure | Trace | Path | str
"""What has a recorded run: a result with a failure, a failure, a trace, or the path of a trace file."""


def as_text(recorded: Recorded, width: int = 100) -> str:
    """What failed and why, with one lane for each rank, in lines of at most ``width`` characters."""
    from simulator.reports.terminal import console_for, print_further, print_trace

    file = io.StringIO()
    console = console_for(file, width=width)
    print_trace(console, _trace_of(recorded))
    for failure in recorded.failures[1:] if isinstance(recorded, Result) else ():
        console.print()
        print_further(console, failure)
    return file.getvalue()


def as_html(recorded: Recorded) -> str:
    """The same as one self-contained page."""
    from simulator.reports.html.failure import failure_page, result_page

    if isinstance(recorded, Result) and len(recorded.failures) > 1:
        return result_page(recorded)
    return failure_page(_trace_of(recorded), Path(recorded) if isinstance(recorded, Path | str) else None)


def save(recorded: Recorded, path: Path | str) -> Path:
    """Write a trace file for ``replay`` and the command line. Raises UsageError when that is not possible."""
    traces.save(_trace_of(recorded), Path(path))
    return Path(path)


def _trace_of(recorded: Recorded) -> Trace:
    """Raises UsageError for a result without a failure: no trace of it is kept."""
    if not isinstance(recorded, Result):
        return recording_of(recorded)
    if recorded.failure is None:
        raise UsageError(f"the result is {recorded.verdict}: only a failure has a trace")
    return recorded.failure.trace
