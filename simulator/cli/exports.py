"""Files for other viewers: what ``ckptrace show`` writes beside its own reports."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from simulator.campaigns.replay.reenacting import Reenacted, reenact
from simulator.errors import CkptraceError
from simulator.reports.perfetto import perfetto as as_perfetto
from simulator.reports.shiviz import shiviz as as_shiviz
from simulator.trace import Trace
from simulator.writing import write_whole


def export(trace: Trace, perfetto: Path | None, shiviz: Path | None) -> list[tuple[str, Path]]:
    """Write what is wanted; gives what was written. The trace is run again for it, once.

    Where that is not possible, the file for Perfetto lacks conflicts and times, which is said on stderr; a log for
    ShiViz cannot be had: raises what ``reenact`` does.
    """
    if perfetto is None and shiviz is None:
        return []
    attempts: list[Reenacted] | None = None
    try:
        attempts = reenact(trace)
    except CkptraceError as error:
        if shiviz is not None:
            raise
        print(f"ckptrace: without arrows for conflicts, and without times: {error}", file=sys.stderr)
    written = []
    if perfetto is not None:
        write_whole(perfetto, msgspec.json.encode(as_perfetto(trace, attempts)))
        written.append(("perfetto", perfetto))
    if shiviz is not None and attempts is not None:
        write_whole(shiviz, as_shiviz(trace, attempts).encode("utf-8", "backslashreplace"))
        written.append(("shiviz", shiviz))
    return written
