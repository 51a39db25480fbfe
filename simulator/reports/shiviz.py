"""A recorded run as a log for ShiViz, which draws the happens-before order of what ran side by side.

Its first line is the regular expression by which ShiViz parses the rest, its second the one that separates executions,
which are the attempts of the job here. An event is two lines: host and vector clock, then its text. ShiViz demands that
each host's own clock begins at 1 and grows by 1 from event to event (Beschastnikh et al., CACM 2016).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from simulator.campaigns.replay.reenacting import Reenacted
from simulator.narration import Narrator, source_line
from simulator.trace import Trace

PARSER = r"(?<host>\S*) (?<clock>{.*})\n(?<event>.*)"
DELIMITER = r"^=== (?<trace>.*) ===$"


def shiviz(trace: Trace, attempts: Sequence[Reenacted]) -> str:
    """The log of a run; ``attempts`` are the same run, re-enacted. Hosts are the ranks and their background tasks."""
    world_size = len({event.rank for attempt in trace.attempts for event in attempt.events})
    cluster = trace.scenario.get("cluster", {})
    world_size = int(cluster.get("nodes", 1)) * int(cluster.get("ranks_per_node", 1)) or world_size
    lines = [PARSER, DELIMITER]
    for number, (attempt, again) in enumerate(zip(trace.attempts, attempts, strict=True), start=1):
        lines.append(f"=== attempt {number} ===")
        narrator = Narrator()
        for position, event in enumerate(attempt.events):
            phrase = narrator.tell(event)
            clock = {host(task, world_size): count for task, count in again.order.clock(position).items()}
            outcome = f"  {phrase.outcome}" if phrase.outcome else ""
            place = f"  ({source_line(event.site)})" if event.site else ""
            text = " ".join(f"{phrase.line()}{outcome}{place}".split())
            lines += [f"{host(event.task, world_size)} {json.dumps(clock)}", text]
    return "\n".join(lines) + "\n"


def host(task: int, world_size: int) -> str:
    """``rank0``; ``rank0.1`` for its first background task."""
    background, rank = divmod(task, world_size)
    return f"rank{rank}.{background}" if background else f"rank{rank}"
