"""What can go wrong, as a budget over a whole scenario."""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal

import msgspec

from simulator.errors import UsageError
from simulator.operations import LOCAL, Collective, Fsync, Join, Operation, Sleep, Write, paths_of

FALLIBLE = frozenset(
    kind.__name__.lower()
    for kind in Operation.__subclasses__()
    if kind not in LOCAL and kind not in (Collective, Join, Sleep)
)
"""Names of the operations that an error rule can strike: all that touch a file system."""

Effect = Literal["fail", "short", "lie", "slow", "hang"]

_ONLY = {"short": Write.__name__.lower(), "lie": Fsync.__name__.lower()}
"""Effects that only one operation can have."""


class ErrorRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Operations on paths that may go wrong: at most ``count`` times in a scenario.

    ``operation`` is a name, or a regular expression for the whole of it (``open|write``). ``path`` is a shell pattern,
    or with ``regex`` a regular expression that is searched for; a path is relative to the root, and that of a
    descriptor the one by which it was opened. ``ranks`` are the ones that it can happen to (none given: all).
    ``probability``: of each such operation, where schedules are sampled; None: ``count`` of them are drawn.

    ``effect``: the operation may ``fail`` with ``errno`` and do nothing; a write may be ``short``, of half the bytes;
    an fsync may ``lie``, that is return and have done nothing; an operation may be ``slow``, by ``seconds``; or it
    may ``hang``: it never returns, and the rank keeps its files and locks until the launcher ends the job. An EINTR is
    seen by nobody where Python tries again by itself (PEP 475).
    """

    operation: str
    errno: str = "EIO"
    path: str = "*"
    count: int = 1
    regex: bool = False
    ranks: tuple[int, ...] = ()
    probability: float | None = None
    effect: Effect = "fail"
    seconds: float = 1.0

    def matches(self, operation: Operation, rank: int | None = None, paths: Sequence[str] | None = None) -> bool:
        """Whether the rule may strike this operation of a rank.

        ``paths`` are those that the operation is about, where the caller knows them better than the operation does. A
        descriptor call without them matches the pattern ``*`` only.
        """
        if _names(self.operation).fullmatch(type(operation).__name__.lower()) is None:
            return False
        if self.ranks and rank is not None and rank not in self.ranks:
            return False
        if self.path == "*" and not self.regex:
            return True
        return any(self._is_about(path) for path in (paths_of(operation) if paths is None else paths))

    def _is_about(self, path: str) -> bool:
        return _names(self.path).search(path) is not None if self.regex else fnmatchcase(path, self.path)

    def number(self) -> int:
        """The errno as a number. Raises UsageError for a name that this system does not know."""
        value = getattr(errno, self.errno, None)
        if not isinstance(value, int):
            raise UsageError(f"faults.errors: unknown errno {self.errno!r}")
        return value

    def operations(self) -> list[str]:
        """The names of the operations that it can strike. Raises UsageError for what is no regular expression."""
        try:
            return sorted(name for name in FALLIBLE if _names(self.operation).fullmatch(name))
        except re.error as error:
            raise UsageError(f"faults.errors: operation {self.operation!r}: {error}") from error

    def validate(self) -> None:
        """Raise UsageError, saying what is wrong, when the rule makes no sense."""
        self.number()
        struck = self.operations()
        if not struck:
            raise UsageError(
                f"faults.errors: unknown operation {self.operation!r}; there are {', '.join(sorted(FALLIBLE))}"
            )
        if self.regex:
            try:
                _names(self.path)
            except re.error as error:
                raise UsageError(f"faults.errors: path {self.path!r}: {error}") from error
        only = _ONLY.get(self.effect)
        if only is not None and struck != [only]:
            raise UsageError(f"faults.errors: only {only} can be struck by {self.effect!r}, not {self.operation!r}")
        if self.count < 1:
            raise UsageError(f"faults.errors: count must be at least 1, is {self.count}")
        if self.probability is not None and not 0.0 < self.probability <= 1.0:
            raise UsageError(f"faults.errors: probability must be above 0 and at most 1, is {self.probability}")
        if not 0.0 < self.seconds < math.inf:
            raise UsageError(f"faults.errors: seconds must be a finite number above 0, is {self.seconds}")

    def in_words(self, operation: Operation) -> str:
        """What happens to an operation that is struck."""
        name = type(operation).__name__.lower()
        if self.effect == "slow":
            return f"{name} takes {self.seconds:g} s longer"
        said = {"short": "is short", "lie": "lies: it has done nothing", "hang": "never returns"}
        return f"{name} {said.get(self.effect, f'fails with {self.errno}')}"


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The budget. What each field means is said in REFERENCE.md, section Faults.

    ``kills``: ranks that die at one of their operations; ``node_kills``: all ranks of a node at once; ``node_hangs``:
    all ranks of a node stop and do not die, so that nothing of theirs is released; after each of these the launcher
    ends the survivors at a later, chosen point. ``power_losses``: all nodes lose power at once, and what was not
    durable by the persistence profile of the file system may be lost. ``errors``: see ``ErrorRule``. ``slow_ranks``:
    ranks whose operations take ``slow_factor`` times as long. ``clock_skew`` in seconds and ``clock_drift`` in seconds
    a second bound how much the nodes' clocks differ. ``job_death``: what a restart would find is judged at every
    instant, as if the job died there; without it, only when it has ended. ``stale_answers``: lookups of an unmodified
    program that a node answers from its cache, wrongly (see ``engines.stale``).
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
    node_hangs: int = 0
    stale_answers: int = 0

    @property
    def may_strike(self) -> bool:
        """Whether anything of it makes a run another one than without; job death does not, it is judged only."""
        return msgspec.structs.replace(self, job_death=True) != Faults()

    def validate(self) -> None:
        """Raise UsageError, naming the field, when the budget makes no sense or needs what is not there."""
        for field in ("kills", "node_kills", "node_hangs", "power_losses", "slow_ranks", "stale_answers"):
            if getattr(self, field) < 0:
                raise UsageError(f"faults.{field}: must not be negative, is {getattr(self, field)}")
        if not 1.0 <= self.slow_factor < math.inf:
            raise UsageError(f"faults.slow_factor: must be a finite number of at least 1, is {self.slow_factor}")
        for field in ("clock_skew", "clock_drift"):
            if not 0.0 <= getattr(self, field) < math.inf:
                raise UsageError(f"faults.{field}: must be a finite number, not negative, is {getattr(self, field)}")
        for rule in self.errors:
            rule.validate()

    def in_words(self, durability: str = "") -> list[str]:
        """What a verdict must name of the budget, without job death; ``durability`` is the file system's."""
        power = f" ({durability})" if durability else ""
        counted = (
            (self.kills, "up to ", "rank kill", "s", ""),
            (self.node_kills, "up to ", "node kill", "s", ""),
            (self.node_hangs, "up to ", "hanging node", "s", ""),
            (self.power_losses, "up to ", "power loss", "es", power),
            (len(self.errors), "", "error rule", "s", ""),
            (self.slow_ranks, "", "slow rank", "s", ""),
            (self.stale_answers, "up to ", "stale answer", "s", ""),
        )
        parts = [
            f"{most}{count} {word}{many if count > 1 else ''}{more}"
            for count, most, word, many, more in counted
            if count
        ]
        return [*parts, "wrong clocks"] if self.clock_skew or self.clock_drift else parts

    def __bool__(self) -> bool:
        return self != Faults()


@lru_cache(maxsize=1 << 10)
def _names(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
