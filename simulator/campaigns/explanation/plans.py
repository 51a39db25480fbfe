"""Plans of what the tasks of a run do and in which order, and the scheduler that follows them.

A plan is made of recorded steps. Where a task does other operations than were recorded, its sequence is aligned with
the recorded one, and what is new comes where its next recorded operation comes: so a task that does one operation more
does not run ahead of the others, and a task that has to wait loses nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from difflib import SequenceMatcher
from math import inf

import msgspec

from simulator.campaigns.explanation.recording import Key, Keys
from simulator.engines.interface import Step
from simulator.errors import Divergence
from simulator.happens_before import is_scheduled
from simulator.run import Frontier

_LEFT_OUT = 3
"""So many recorded operations in a row may be left out by a task before it is taken to do something new."""


class Planned(msgspec.Struct, frozen=True):
    """An operation of a task: when it is to come, and which recorded step it is (None: it was not recorded).

    The key is None where a rank dies instead of doing an operation.
    """

    key: Key | None
    place: float
    step: int | None


Plan = dict[int, list[Planned]]
"""The operations of each task, in order."""

Done = tuple[int, Key, int | None]
"""A step that a scheduler decided about: its task, its key, and which recorded step it is."""


class Follower:
    """A scheduler that follows plans, one for each attempt; behind their end, the default.

    Of the tasks that can go on, the one goes next whose next planned operation is the earliest. Raises Divergence when
    one of the steps that have to be ``exact`` would come after a later one, or with another operation. ``done`` are the
    steps of each attempt that a scheduler decided about.
    """

    def __init__(self, plans: list[Plan], exact: list[list[int]]) -> None:
        self._plans = plans
        self._exact = exact
        self._queues: dict[int, deque[Planned]] = {}
        self._now_exact: frozenset[int] = frozenset()
        self._due: deque[tuple[float, int]] = deque()
        self._keys = Keys()
        self._steps: Sequence[Step] = ()
        self._seen = 0
        self.done: list[list[Done]] = []

    def begin(self, attempt: int) -> None:
        """Start at the beginning of the attempt's plan."""
        self.conclude()
        known = attempt < len(self._plans)
        plan = self._plans[attempt] if known else {}
        self._queues = {task: deque(planned) for task, planned in plan.items()}
        exact = self._now_exact = frozenset(self._exact[attempt] if known else ())
        places = ((each.place, each.step) for planned in plan.values() for each in planned if each.step in exact)
        self._due = deque(sorted((place, step) for place, step in places if step is not None))
        if len(self._due) != len(exact):
            raise Divergence("a task does not come to what it has to do")
        self._keys = Keys()
        self._steps, self._seen = (), 0
        self.done.append([])

    def choose(self, frontier: Frontier, last: int) -> int:
        """The task whose turn it is."""
        self._steps = frontier.steps
        self.conclude()
        earliest, chosen = inf, -1
        for task in frontier.ready:
            queue = self._queues.get(task)
            if queue and queue[0].place < earliest:
                earliest, chosen = queue[0].place, task
        if self._due and earliest > self._due[0][0]:
            raise Divergence(f"the recorded step {self._due[0][1]} cannot come when it has to")
        return chosen if chosen >= 0 else frontier.default(last)

    def conclude(self) -> None:
        """Take note of what was done since the last choice."""
        for step in self._steps[self._seen :]:
            key = self._keys.of(step)
            self._keys.tell(step)
            if not is_scheduled(step):
                continue
            position = self._taken(step.task, key)
            if self._due and self._due[0][1] == position:
                self._due.popleft()
            self.done[-1].append((step.task, key, position))
        self._seen = len(self._steps)

    def _taken(self, task: int, key: Key) -> int | None:
        """Which recorded step it is that the task has done now, None for a new one.

        A few recorded ones may have been left out. Raises Divergence for one that has to be exact.
        """
        queue = self._queues.get(task, deque())
        for ahead in range(min(len(queue), _LEFT_OUT + 1)):
            planned = queue[ahead]
            if planned.key == key:
                for _ in range(ahead + 1):
                    queue.popleft()
                return planned.step
            if planned.step in self._now_exact:
                raise Divergence(f"{key[0].__name__.lower()} comes where another operation has to")
            if planned.key is None:
                break
        return None


def aligned_plan(plan: Plan, done: list[Done], cut: bool) -> Plan:
    """The plan for tasks that do what they have done under a plan, and if that was ``cut`` short what was to follow."""
    result: Plan = {}
    did: dict[int, list[Key]] = {}
    for task, key, _ in done:
        did.setdefault(task, []).append(key)
    for task in plan.keys() | did.keys():
        planned = [each for each in plan.get(task, []) if each.key is not None]
        deaths = [each for each in plan.get(task, []) if each.key is None]
        keys = did.get(task, [])
        result[task] = _matched(planned, keys, cut, deaths[0].place if deaths else inf) + deaths
    return result


def _matched(planned: list[Planned], keys: list[Key], cut: bool, end: float) -> list[Planned]:
    """Operations as they were done, at the places that were planned; what was not planned, at the place of the next."""
    same = 0
    while same < min(len(planned), len(keys)) and planned[same].key == keys[same]:
        same += 1
    if same == len(keys) and (cut or same == len(planned)):
        return planned
    matched: list[Planned | None] = [*planned[:same], *(None for _ in keys[same:])]
    matcher = SequenceMatcher(None, [each.key for each in planned[same:]], keys[same:], autojunk=False)
    last = same
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            last = same + block.a + offset + 1
            matched[same + block.b + offset] = planned[last - 1]
    rest = planned[last:] if cut else []
    result: list[Planned] = []
    following = rest[0].place if rest else end
    for key, each in zip(reversed(keys), reversed(matched), strict=True):
        result.append(each if each is not None else Planned(key, following, None))
        following = result[-1].place
    return result[::-1] + rest
