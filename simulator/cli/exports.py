"""Files for other viewers: what ``ckptrace show`` writes beside its own reports."""

from __future__ import annotations

from pathlib import Path

import msgspec

from simulator.campaigns.command.fallback import holds_calls
from simulator.campaigns.replay.reenacting import Reenacted, reenact
from simulator.campaigns.trust import NO_TRUST, Trust
from simulator.cli.output import say
from simulator.errors import CkptraceError, UsageError
from simulator.reports.perfetto import perfetto as as_perfetto
from simulator.reports.shiviz import shiviz as as_shiviz
from simulator.trace import Trace
from simulator.writing import write_whole


def export(
    trace: Trace, perfetto: Path | None, shiviz: Path | None, *, rerun: bool = False, trust: Trust = NO_TRUST
) -> list[tuple[str, Path]]:
    """Write what is wanted; gives what was written.

    Which operations conflict, and when, is known of a trace of held calls; of another one if it may be run again
    (``rerun``). Without, or where that is not possible, the file for Perfetto lacks it, which is said on stderr, and a
    log for ShiViz cannot be had: raises what ``reenact`` does, or UsageError.
    """
    if perfetto is None and shiviz is None:
        return []
    attempts: list[Reenacted] | None = None
    try:
        if not rerun and not holds_calls(trace.scenario):
            raise UsageError("they are found by running the recording again: --rerun")
        attempts = reenact(trace, trust=trust)
    except CkptraceError as error:
        if shiviz is not None and rerun:
            raise
        if shiviz is not None:
            raise UsageError("--shiviz: what conflicts is found by running the recording again: --rerun") from None
        say(f"without arrows for conflicts, and without times: {error}")
    written = []
    if perfetto is not None:
        write_whole(perfetto, msgspec.json.encode(as_perfetto(trace, attempts)))
        written.append(("perfetto", perfetto))
    if shiviz is not None and attempts is not None:
        write_whole(shiviz, as_shiviz(trace, attempts).encode("utf-8", "backslashreplace"))
        written.append(("shiviz", shiviz))
    return written
