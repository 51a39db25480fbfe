"""What is reported of one run of the search, so that reports of several processes can be put together."""

from __future__ import annotations

import msgspec

from simulator.exhaustive.attempts import Start
from simulator.exhaustive.injections import Plan
from simulator.exhaustive.judging import Carried, Finding
from simulator.exhaustive.states import State
from simulator.happens_before import Looks

StartKey = tuple[State, Carried, tuple[int, int, int, tuple[int, ...]]]
"""Names a start: the state, what is carried over, and the faults that are left."""


def key_of(state: State, start: Start) -> StartKey:
    """The name of a start in a state."""
    return state, start.carried, (start.kills, start.node_kills, start.power_losses, start.errors)


class Report(msgspec.Struct):
    """Of one run.

    ``key`` names its class, ``struck`` is the plan of errors that came about. ``states`` are those that were judged for
    the first time, ``looks`` all that was looked at. ``starts`` and ``plans`` are what is to be explored beside.
    ``waits``: a rank polls that does not give up by itself. ``reached`` is the code that was executed for the first
    time, see ``executed``.
    """

    key: int
    struck: Plan
    operations: int
    interleaved: bool
    waits: bool
    looks: Looks
    incomplete: str | None
    finding: Finding | None
    states: list[State]
    starts: list[tuple[StartKey, Start]]
    plans: list[Plan]
    reached: list[int] = []
