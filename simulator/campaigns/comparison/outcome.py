"""What is asked for in a comparison, and what comes out of it, as data."""

from __future__ import annotations

from typing import Any

import msgspec

from simulator.campaigns.comparison.situations import ALL_SITUATIONS, SITUATIONS, Situation
from simulator.campaigns.demonstrating.demonstration import Candidate
from simulator.campaigns.replay.confirming import Confirmation
from simulator.campaigns.result import Failure
from simulator.campaigns.scale.scale_result import ScaleResult
from simulator.errors import UsageError
from simulator.scenario import Cluster, CostChoice, FilesystemChoice, Workload

ORDER = ("certified", "clean", "not judged", "incomplete", "violated")
"""The verdicts of a cell, the best first."""


class Request(msgspec.Struct, frozen=True):
    """The job that is to be saved, and how much to search.

    ``workload`` and ``cluster`` are those of the real job. ``seconds``, ``schedules`` that are sampled
    and ``classes`` that are gone through (None: no bound) limit each search at small scale, ``at_scale`` is the number
    of schedules at the real shape. ``mtbf`` is the job's mean time between failures
    in seconds; ``relaunch`` what a restart takes before it looks for a checkpoint: finding spare nodes, starting
    processes, importing libraries. ``confirm``: replay what is found on a disk. ``situations`` are the names of those
    in which each strategy is judged.
    """

    cluster: Cluster
    workload: Workload
    filesystem: FilesystemChoice
    costs: CostChoice
    mtbf: float
    relaunch: float = 600.0
    seconds: float = 4.0
    schedules: int = 500
    classes: int | None = None
    at_scale: int = 4
    seed: int = 0
    confirm: bool = True
    situations: tuple[str, ...] = ALL_SITUATIONS

    def judged_in(self) -> list[Situation]:
        """The situations, in the order of all of them. Raises UsageError for a name that is none."""
        known = {situation.name: situation for situation in SITUATIONS}
        for name in self.situations:
            if name not in known:
                raise UsageError(f"situation: unknown situation {name!r}; there are {', '.join(known)}")
        return [situation for situation in SITUATIONS if situation.name in self.situations]


class Cell(msgspec.Struct, frozen=True):
    """One invariant in one situation. ``said`` is what the verdict covers, ``finding`` the number of what violates it.

    ``verdict``: ``certified`` (every class of interleavings, at small scale), ``clean`` (sampled), ``violated``,
    ``incomplete`` or ``not judged``.
    """

    situation: str
    invariant: str
    verdict: str
    said: str
    finding: int | None = None


class Finding(msgspec.Struct):
    """A violation, the same wherever it came up: minimised, explained, and tried on a disk."""

    situation: str
    failure: Failure
    confirmation: Confirmation | None = None
    path: str | None = None
    """Where its trace was written."""


class Economy(msgspec.Struct, frozen=True):
    """What a strategy costs a job that fails now and then. Times in seconds.

    ``stall`` is what a save keeps training waiting, ``young`` and ``interval`` the training between two saves that
    loses least, by Young and by Daly; ``restart`` all that a failure costs besides repeated work. ``goodput`` is the
    part of the time that is training which counts, None where a restart has nothing to resume from. One failure in
    ``lost_one_in`` strikes while nothing is there to resume from, so one of these comes in ``lost_every`` (None: none).
    """

    stall: float
    young: float
    interval: float
    restart: float | None
    goodput: float | None
    lost_one_in: float | None = None
    lost_every: float | None = None


class Measured(msgspec.Struct):
    """A strategy at the real shape. ``schedules`` were run there; ``violations`` counts them by what was violated."""

    run: ScaleResult
    schedules: int
    violations: dict[str, int]
    economy: Economy | None


class Compared(msgspec.Struct):
    """One strategy. ``small`` is the scenario in which its verdicts hold, as plain data."""

    candidate: Candidate
    small: dict[str, Any]
    cells: list[Cell]
    findings: list[Finding]
    measured: Measured
    seconds: float = 0.0

    def verdict(self, situation: str) -> str:
        """The worst verdict of any invariant in a situation."""
        return max((cell.verdict for cell in self.cells if cell.situation == situation), key=ORDER.index)

    def cell(self, situation: str, invariant: str) -> Cell | None:
        """The verdict of one invariant in one situation; None where it is not judged there by intention."""
        for cell in self.cells:
            if (cell.situation, cell.invariant) == (situation, invariant):
                return cell
        return None

    @property
    def violated(self) -> int:
        """The number of situations in which something is violated, the real shape being one of them."""
        situations = {cell.situation for cell in self.cells if cell.verdict == "violated"}
        return len(situations) + bool(self.measured.violations)


class Comparison(msgspec.Struct):
    """All of it. ``interrupted``: in words, that the command was to end before all strategies were compared."""

    request: Request
    compared: list[Compared]
    seconds: float = 0.0
    interrupted: str | None = None

    def ranked(self) -> list[Compared]:
        """The safest first; among equally safe ones, the one that leaves most time for training."""

        def key(each: Compared) -> tuple[int, float, str]:
            economy = each.measured.economy
            goodput = economy.goodput if economy is not None and economy.goodput is not None else 0.0
            return each.violated, -round(goodput, 4), each.candidate.title

        return sorted(self.compared, key=key)
