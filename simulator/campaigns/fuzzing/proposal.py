"""A run that is proposed: which way of making schedules it takes (its *arm*), and from which tape it starts."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec

from simulator.campaigns.fuzzing.coverage import Race
from simulator.campaigns.fuzzing.detour import Departure, Reversal
from simulator.run import Scheduler
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape

SAMPLERS = ("random", "sticky", "pct:2", "pct:3", "surw", "pos")
"""The arms that sample schedules of their own."""

REPLAY, REVERSE, TAIL, SPLICE = "replay", "reverse", "tail", "splice"
"""The arms that start from a tape: repeat it; reverse a race of its run; follow it for some steps and go on at random;
join the choices of two tapes."""

AFTER = ("random", "random", "sticky")
"""The samplers by which a run goes on behind the point where it leaves its tape, as often as they stand here."""

Row = tuple[int, str, int, int, int]
"""A choice of a tape, as ``Tape.entries`` gives it."""


class Proposal(msgspec.Struct, frozen=True, array_like=True):
    """A run to make. Equal proposals give equal runs.

    ``seed`` is that of all that is drawn in the run. The faults, and the answers of a file system that has a choice,
    are those of the ``tape``, or with ``draws`` are drawn. ``race`` is to be reversed; ``cut`` is (attempt, steps) up
    to which the tape is followed. ``known`` are the signatures of the failures that are set aside in it; a failure is
    run ``as_found`` with those that it was found with.
    """

    arm: str
    seed: int
    tape: list[Row] = []
    draws: bool = False
    race: Race | None = None
    cut: tuple[int, int] = (0, 0)
    after: str = "random"
    known: list[str] = []
    as_found: bool = False

    @property
    def is_rerun(self) -> bool:
        """Whether it repeats what is known: not so the undisturbed run, which every session begins with."""
        return self.arm == REPLAY and bool(self.tape)

    def scheduler(self, samplers: dict[str, Callable[[Random], Scheduler]], random: Random) -> Scheduler:
        """The scheduler of the run. ``samplers`` are makers of those that take no tape, by name."""
        if self.arm in samplers:
            return samplers[self.arm](random)
        tape = Tape.of_entries(self.tape)
        if self.arm not in (REVERSE, TAIL):
            return TapeReplay(tape)
        after = samplers[self.after](random)
        if self.race is not None:
            return Reversal(self.race, TapeReplay(tape), after, random)
        return Departure(*self.cut, TapeReplay(tape), after)

    def faults(self) -> Tape:
        """What the tape says beside the schedule."""
        return Tape.of_entries([row for row in self.tape if row[1] != "schedule"])


class Broken(msgspec.Struct, frozen=True, array_like=True):
    """A violation, as it is told from process to process."""

    invariant: str
    message: str
    rank: int | None
    signature: str


class Outcome(msgspec.Struct, array_like=True):
    """What a proposed run came to.

    ``pairs`` are all that it covers. Where it covers a pair that the request did not know, or fails in a way that it
    did not know, its ``tape`` and its ``races`` are filled in. ``only``: no run of the scenario can be another one.
    ``met``: it ran into a failure, known or not.
    """

    proposal: int
    """Its number within the request."""
    pairs: list[int]
    operations: int
    interleaved: bool
    lengths: list[int]
    """The steps of each attempt."""
    incomplete: str | None = None
    broken: Broken | None = None
    tape: list[Row] = []
    races: list[Race] = []
    only: bool = False
    met: bool = False
