"""The strategy ``schedules()``: what a run leaves open, drawn from Hypothesis when the run begins."""

from __future__ import annotations

from hypothesis import strategies as st

from simulator.campaigns.searching.portfolio import sampled_faults
from simulator.hypothesis.answering import DrawnAnswers
from simulator.hypothesis.preparing import Preparations, Prepared
from simulator.tape import Tape

_RANDOM = st.randoms(use_true_random=False)
"""Draws from Hypothesis whatever is asked of it."""


class Schedule:
    """What ``schedules()`` draws: an argument of ``run``. Used for a second run it is another schedule.

    ``preparations`` are shared by all schedules of one test.
    """

    def __init__(self, draw: st.DrawFn, preparations: Preparations) -> None:
        self._draw = draw
        self.preparations = preparations

    def __repr__(self) -> str:
        return "<Schedule, drawn when a run begins>"

    def number(self, largest: int) -> int:
        """A number from 0 to ``largest``; Hypothesis shrinks it towards 0."""
        return self._draw(st.integers(0, largest))

    def answers(self, known: Prepared) -> DrawnAnswers | None:
        """What the file system will answer; None where it has no choices."""
        return None if known.questions is None else DrawnAnswers(self.number, known.questions)

    def tape(self, known: Prepared) -> Tape:
        """What is open before a run: first where faults strike, then where the schedule switches."""
        random = self._draw(_RANDOM)
        faults = sampled_faults(known.experiment.scenario, known.lengths, random) or Tape()
        return Tape({**faults.choices, **self._draw(known.switches).choices})


def schedules() -> st.SearchStrategy[Schedule]:
    """Schedules, and where the faults of a scenario's budget strike; shrinks to no fault and the fewest switches.

    A schedule is drawn by the run that it is given to, so it fits whatever program, cluster and workload that has.
    """
    preparations = Preparations()

    @st.composite
    def drawn(draw: st.DrawFn) -> Schedule:
        return Schedule(draw, preparations)

    return drawn()
