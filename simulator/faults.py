"""What can go wrong, as a budget over a whole scenario."""

from __future__ import annotations

import errno
import math
from fnmatch import fnmatchcase

import msgspec

from simulator.errors import UsageError
from simulator.operations import LOCAL, Collective, Join, Operation, Sleep, paths_of

FALLIBLE = frozenset(
    kind.__name__.lower()
    for kind in Operation.__subclasses__()
    if kind not in LOCAL and kind not in (Collective, Join, Sleep)
)
"""Names of the operations that an error rule can strike: all that touch a file system."""


class ErrorRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Operations of a kind, on paths of a pattern, that may fail: at most ``count`` times, with ``errno``."""

    operation: str
    errno: str
    path: str = "*"
    count: int = 1

    def matches(self, operation: Operation) -> bool:
        """Whether the rule may strike this operation. A descriptor call has no path and matches the pattern ``*``."""
        if type(operation).__name__.lower() != self.operation:
            return False
        paths = paths_of(operation)
        return self.path == "*" if not paths else any(fnmatchcase(path, self.path) for path in paths)

    def number(self) -> int:
        """The errno as a number. Raises UsageError for a name that this system does not know."""
        value = getattr(errno, self.errno, None)
        if not isinstance(value, int):
            raise UsageError(f"faults.errors: unknown errno {self.errno!r}")
        return value


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The budget. What each field means is said in the README, section Faults.

    ``kills``: ranks that die at one of their operations; ``node_kills``: all ranks of a node at once; after either the
    launcher ends the survivors at a later, chosen point. ``errors``: see ``ErrorRule``. ``slow_ranks``: ranks whose
    operations take ``slow_factor`` times as long. ``clock_skew`` in seconds and ``clock_drift`` in seconds a second
    bound how much the nodes' clocks differ. ``power_losses`` needs the crash model of a file system. ``job_death``:
    what a restart would find is judged at every instant, as if the job died there; without it, only when it has ended.
    """

    job_death: bool = True
    kills: int = 0
    node_kills: int = 0
    power_losses: int = 0
    errors: tuple[ErrorRule, ...] = ()
    slow_ranks: int = 0
    slow_factor: float = 10.0
    clock_skew: float = 0.0
    clock_drift: float = 0.0

    def validate(self) -> None:
        """Raise UsageError, naming the field, when the budget makes no sense or needs what is not there."""
        for field in ("kills", "node_kills", "power_losses", "slow_ranks"):
            if getattr(self, field) < 0:
                raise UsageError(f"faults.{field}: must not be negative, is {getattr(self, field)}")
        if self.power_losses:
            raise UsageError("faults.power_losses: this version has no crash model, so power loss cannot be simulated")
        if not 1.0 <= self.slow_factor < math.inf:
            raise UsageError(f"faults.slow_factor: must be a finite number of at least 1, is {self.slow_factor}")
        for field in ("clock_skew", "clock_drift"):
            if not 0.0 <= getattr(self, field) < math.inf:
                raise UsageError(f"faults.{field}: must be a finite number, not negative, is {getattr(self, field)}")
        for rule in self.errors:
            rule.number()
            if rule.operation not in FALLIBLE:
                raise UsageError(
                    f"faults.errors: unknown operation {rule.operation!r}; there are {', '.join(sorted(FALLIBLE))}"
                )

    def __bool__(self) -> bool:
        return self != Faults()
