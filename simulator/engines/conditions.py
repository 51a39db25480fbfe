"""What an attempt of a job begins under: the time, and which clocks and ranks are off."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from simulator.clock import EPOCH, Clock, NodeClock


class Conditions(msgspec.Struct, frozen=True):
    """The conditions of one attempt, the first being 0.

    All clocks start at ``start`` (nanoseconds since the Unix epoch); no change gets a modification time up to
    ``last_change`` (0: there was none before). ``skews`` are the nodes whose clocks are wrong; ``slowdowns`` the ranks
    whose operations take longer, with the factor: without costs all take the same, and it says nothing.
    """

    attempt: int = 0
    start: int = EPOCH
    last_change: int = 0
    skews: Mapping[int, NodeClock] = {}
    slowdowns: Mapping[int, float] = {}

    def clock(self, ranks: int) -> Clock:
        """The clocks of an attempt of so many ranks."""
        return Clock(ranks, self.start, self.last_change, self.skews)
