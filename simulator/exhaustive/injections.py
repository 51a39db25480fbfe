"""What disturbs a run beside its schedule: errors by the rules of the fault budget, and answers of the file system.

Both are points of a run at which something else could happen; which of them it does at is the plan of a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from simulator.errors import UsageError
from simulator.experiment import Experiment
from simulator.faults import ErrorRule
from simulator.filesystems.views.layers import GROUPS
from simulator.operations import Operation
from simulator.tape import Address as TapeAddress

Address: TypeAlias = tuple[int, int, int]
"""(number of the rule, rank, how many of the rank's operations have matched it before) of an error.

Of an answer (a number below 0 for its kind and its value, task, n of the task's operation); see ``answer``."""

Plan: TypeAlias = frozenset[Address]
"""Where errors strike, and which answers are not the undisturbed ones."""

_KINDS: Final = tuple(sorted(GROUPS))


def answer(kind: str, value: int, task: int, n: int) -> Address:
    """The address of an answer."""
    return -1 - _KINDS.index(kind) - (value - 1) * len(_KINDS), task, n


def answer_at(address: Address) -> tuple[str, int]:
    """The kind of an answer, and its value."""
    value, kind = divmod(-1 - address[0], len(_KINDS))
    return _KINDS[kind], value + 1


def rules_in(addresses: Iterable[Address]) -> list[int]:
    """The number of the rule of each error among these addresses."""
    return [address[0] for address in addresses if address[0] >= 0]


def on_tape(attempt: int, addresses: Iterable[Address]) -> dict[TapeAddress, int]:
    """The choices of the tape that these addresses stand for."""
    choices: dict[TapeAddress, int] = {}
    for address in addresses:
        if address[0] >= 0:
            choices[attempt, f"error{address[0]}", address[1], address[2]] = 1
        else:
            kind, value = answer_at(address)
            choices[attempt, kind, address[1], address[2]] = value
    return choices


class Injections:
    """What an engine asks before each operation, and a file system that has a choice.

    ``matched`` are the addresses of the present run; ``struck`` those of the plan that came about, with the step:
    (task, n).
    """

    def __init__(self, rules: Sequence[ErrorRule], plan: Plan, world_size: int) -> None:
        self._rules = rules
        self._world_size = world_size
        self._counts: dict[tuple[int, int], int] = {}
        self._bounds: Mapping[str, int | None] = {}
        self._answers = {(*address[1:], answer_at(address)[0]): address for address in plan if address[0] < 0}
        self.plan = plan
        self.matched: set[Address] = set()
        self.struck: dict[Address, tuple[int, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._rules)

    def begin(self) -> None:
        """A run begins."""
        self._counts.clear()
        self.matched.clear()
        self.struck.clear()

    def answer_for(self, filesystem: Any, engine: Any) -> None:
        """A run begins on a file system: answer its choices, if it has any."""
        self._bounds = getattr(filesystem, "bounds", {})
        if self._bounds:
            self.begin()
            filesystem.begin(self.choose, engine.acting)

    def __call__(self, task: int, n: int, operation: Operation) -> OSError | None:
        rank = task % self._world_size
        for number, rule in enumerate(self._rules):
            if rule.matches(operation):
                count = self._counts.get((number, rank), 0)
                self._counts[number, rank] = count + 1
                address = (number, rank, count)
                self.matched.add(address)
                if address in self.plan:
                    self.struck[address] = (task, n)
                    return OSError(rule.number(), rule.errno)
        return None

    def choose(self, kind: str, task: int, n: int, options: int, text: str) -> int:
        """See ``filesystems.views.layers.Choose``: what the plan says."""
        self.matched.update(answer(kind, value, task, n) for value in range(1, options))
        value = self.planned(kind, task, n, options, text)
        if value:
            self.struck[answer(kind, value, task, n)] = (task, n)
        return value

    def planned(self, kind: str, task: int, n: int, options: int, text: str) -> int:
        """The same, where no run is under way."""
        address = self._answers.get((task, n, kind))
        value = answer_at(address)[1] if address is not None else 0
        return value if value < options else 0

    def further(self, left: Sequence[int]) -> list[Plan]:
        """The plans with one address more that the present run suggests, within how many of each there may be.

        ``left`` is how often each rule may strike; of answers there may be as many as the file system says.
        """
        found = []
        for address in sorted(self.matched - self.plan):
            if self._may_be_added(address, left):
                found.append(self.plan | {address})
        return found

    def _may_be_added(self, address: Address, left: Sequence[int]) -> bool:
        if address[0] >= 0:
            return sum(1 for rule in rules_in(self.plan) if rule == address[0]) < left[address[0]]
        kind, _ = answer_at(address)
        if (*address[1:], kind) in self._answers:
            return False
        group = GROUPS[kind]
        used = sum(1 for other in self._answers.values() if GROUPS[answer_at(other)[0]] == group)
        return used < (self._bounds.get(group) or 0)


_UNORDERED = ("mtime", "inodes")
"""Options whose choices change what times and inodes mean, by which the search tells what commutes."""


def check_bounds(experiment: Experiment) -> None:
    """Raise UsageError, saying what to do, where the answers of the file system cannot be gone through."""
    choice = experiment.scenario.filesystem
    if getattr(experiment.filesystem(), "unordered", False):
        raise UsageError(
            f"filesystem.profile: exhaustive search does not know which operations on {choice.profile} commute; "
            "explore samples them"
        )
    if not experiment.has_choices:
        return
    if "made_up" in experiment.bounds:
        raise UsageError(
            f"filesystem.profile: exhaustive search cannot go through the times of {choice.profile}; explore samples "
            "them"
        )
    for group, bound in experiment.bounds.items():
        if bound is None:
            raise UsageError(
                f"filesystem.options.{group}: exhaustive search needs a bound of what {choice.profile} may answer, "
                f"such as {group} = 1; explore needs none"
            )
    for option in _UNORDERED:
        if choice.options.get(option) in ("ties", "reused"):
            raise UsageError(
                f"filesystem.options.{option}: exhaustive search cannot go through {choice.options[option]}; explore "
                "samples them"
            )
    if experiment.scenario.faults.power_losses:
        raise UsageError(
            f"faults.power_losses: exhaustive search goes through power losses, or through what {choice.profile} may "
            "answer; explore samples both"
        )
    if experiment.scenario.restarts:
        raise UsageError(
            f"restarts: of what {choice.profile} may answer, exhaustive search goes through one attempt of the job "
            "only; explore samples further ones"
        )
