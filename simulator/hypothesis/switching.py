"""Schedules as Hypothesis draws them: the undisturbed one but for a few context switches, each drawn by itself.

A switch is two draws, where it comes and to whom, and has an address of the tape. So undoing one leaves the others as
they are, the shortest sequence of draws is the schedule with the fewest switches, and Hypothesis shrinks to the
shortest first (MacIver and Donaldson, ECOOP 2020). If instead each step drew who goes on, as in PULSE (Claessen et al.,
ICFP 2009), the shortest sequence would be the one with the fewest steps.
"""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from simulator.engines.interface import Step
from simulator.schedulers.races import Targets
from simulator.schedulers.surw import profile_of
from simulator.tape import Address, Tape

_MORE = 8
"""How many operations more than in an undisturbed run a task may do and still be interrupted after any of them."""


class Points:
    """Where a schedule may switch, and to which tasks. ``attempts`` are the steps of an undisturbed run.

    ``contended`` are the points of that run before an operation on a path that several tasks touch, ``usual`` all of
    its points, ``further`` those after operations that tasks may only do in other runs.
    """

    def __init__(self, attempts: Sequence[Sequence[Step]]) -> None:
        self.contended: list[Address] = []
        self.usual: list[Address] = []
        self.further: list[Address] = []
        self.tasks = 1 + max((step.task for steps in attempts for step in steps), default=0)
        for attempt, steps in enumerate(attempts):
            shared, targets = profile_of(steps), Targets()
            self.usual.append((attempt, "schedule", -1, 0))
            counts: dict[int, int] = {}
            for step in steps:
                n = counts.get(step.task, 0)
                if n and not shared.keys().isdisjoint(targets.of(step.task, step.operation)):
                    self.contended.append((attempt, "schedule", step.task, n))
                targets.done(step.task, step.operation)
                counts[step.task] = n + 1
                self.usual.append((attempt, "schedule", step.task, n + 1))
            for task, count in sorted(counts.items()):
                self.further += [(attempt, "schedule", task, count + n) for n in range(1, count + _MORE)]


def switches(points: Points) -> st.SearchStrategy[Tape]:
    """The choices of a schedule; shrinks to the fewest, and to the earliest."""
    others = max(0, points.tasks - 2)

    def choice(address: Address, distance: int) -> tuple[Address, int]:
        # The task that goes on is never the one that went last; at the start, never the first.
        last = max(address[2], 0)
        return address, (last + 1 + distance) % points.tasks + 1

    kinds = [st.sampled_from(kind) for kind in (points.contended, points.usual, points.further) if kind]
    chosen = st.lists(st.builds(choice, st.one_of(kinds), st.integers(0, others)))
    return chosen.map(lambda choices: Tape(dict(choices)))
