"""The situations in which each strategy is judged: what may happen to the job, and what has to hold then."""

from __future__ import annotations

import msgspec

from simulator.faults import ErrorRule, Faults
from simulator.invariants.violation import NAMES


class Situation(msgspec.Struct, frozen=True):
    """``title`` for headings, ``short`` where there is little room, ``meaning`` in a clause.

    ``invariants`` are those that are judged in it.
    """

    name: str
    short: str
    title: str
    meaning: str
    faults: Faults
    restarts: int = 0
    invariants: tuple[str, ...] = NAMES


_AFTER_ERRORS = tuple(name for name in NAMES if name not in ("no-error", "no-hang", "no-leak"))
"""Of a job that meets an error nobody expects that it goes on, or that it cleans up."""

# Each has its own fault only, so that a violation is blamed on what brings it about.
SITUATIONS = (
    Situation(
        "undisturbed",
        "calm",
        "Nobody dies",
        "the job runs to its end; what is left is judged",
        Faults(job_death=False),
    ),
    Situation(
        "job-death",
        "job",
        "The job dies",
        "all ranks stop at the same instant, any instant; what a restart would find is judged",
        Faults(),
    ),
    Situation(
        "rank-kill",
        "rank",
        "A rank is killed",
        "one rank dies at one of its operations, the launcher ends the others at any later point, the job restarts",
        Faults(job_death=False, kills=1),
        restarts=1,
    ),
    Situation(
        "power-loss",
        "power",
        "Power is lost",
        "all nodes lose at any instant what was not durable; what a restart would find is judged",
        Faults(job_death=False, power_losses=1),
    ),
    Situation(
        "full-disk",
        "disk",
        "The disk is full",
        "one write of one rank fails with ENOSPC; what the job leaves has to be usable, the job restarts",
        Faults(job_death=False, errors=(ErrorRule("write", "ENOSPC"),)),
        restarts=1,
        invariants=_AFTER_ERRORS,
    ),
)

ALL_SITUATIONS = tuple(situation.name for situation in SITUATIONS)
"""Their names."""
