"""How long each rank has made no progress: by its own time, so that neither imports nor a busy machine count.

Every call that is heard of is progress, sleeps apart. A rank that computes is silent for as long as it has had a
processor, one that only sleeps for as long as that takes, one that waits for a disk or a processor not at all. Before a
rank is under the filter nobody hears its calls, so nothing of that time counts: the limit of the schedule ends it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from typing import Final

from simulator.engines.command.rank import RankProcess
from simulator.interposition.threads import descendants

_INTERVAL: Final = 0.1
"""Seconds between two looks at what processors have done."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Silence:
    """The silence of the ranks since a decision. ``seconds``: the limit."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._looked = time.monotonic()
        self._silent: dict[int, float] = {}
        self._before: dict[int, tuple[int, float]] = {}

    def over(self, ranks: Collection[RankProcess]) -> list[int]:
        """The ranks that have been silent for longer than the limit. To be asked again and again meanwhile."""
        now = time.monotonic()
        passed = now - self._looked
        if passed < min(_INTERVAL, self._seconds / 2):
            return []
        self._looked = now
        for rank in ranks:
            calls, used = rank.calls, used_by(rank.process)
            before = self._before.get(rank.number)
            self._before[rank.number] = calls, used
            if before is None or before[0] != calls or rank.listener is None:
                self._silent[rank.number] = 0.0
            else:
                asleep = any(map(rank.is_awaited, rank.dozing)) or rank.sleeps_for_a_time()
                self._silent[rank.number] += passed if asleep else min(passed, used - before[1])
        return [rank.number for rank in ranks if self._silent.get(rank.number, 0.0) > self._seconds]


def used_by(process: int) -> float:
    """The seconds for which a process and all that it has started have had a processor. proc(5), stat."""
    total = 0
    for each in descendants(process):
        try:
            with open(f"/proc/{each}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / _TICKS
