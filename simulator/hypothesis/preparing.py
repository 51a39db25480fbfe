"""What every run of one experiment shares; kept by the strategy ``schedules()`` from one example to the next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import msgspec
from hypothesis.strategies import SearchStrategy

from simulator.campaigns.searching.determinism import undisturbed_run
from simulator.campaigns.searching.sampling import rank_lengths
from simulator.campaigns.searching.vacuity import check_touches_files
from simulator.errors import CannotDo
from simulator.experiment import Experiment
from simulator.hypothesis.answering import Counted
from simulator.hypothesis.switching import Points, switches
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape

_MOST = 64
"""How many experiments are kept: a test whose programs are made anew for each example would keep all of them."""


class Prepared(msgspec.Struct, frozen=True):
    """An experiment and its schedules; how many operations each rank does in an undisturbed run.

    ``questions`` is how many choices the file system has in it, None where it never has any.
    """

    experiment: Experiment
    switches: SearchStrategy[Tape]
    lengths: list[int]
    questions: int | None = None


def prepared(experiment: Experiment) -> Prepared:
    """Make the undisturbed run, twice. The boundary must be installed.

    Raises CannotDo when the code under test is not deterministic, when a budget ended the run, or when no rank makes a
    call about a file.
    """
    run = undisturbed_run(experiment)
    if run.incomplete is not None:
        raise CannotDo(f"the undisturbed run did not come to its end: {run.incomplete}")
    check_touches_files(run, experiment.scenario.cluster.world_size)
    counted = Counted() if experiment.has_choices else None
    if counted is not None:
        experiment.run(TapeReplay(Tape()), draw=counted)
    return Prepared(
        experiment,
        switches(Points([attempt.steps for attempt in run.attempts])),
        rank_lengths(run, experiment.scenario.cluster.world_size),
        None if counted is None else counted.questions,
    )


class Preparations:
    """The experiments that were used last, by what they were made of."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, Prepared] = OrderedDict()

    def get(self, key: Hashable, prepare: Callable[[], Prepared]) -> Prepared:
        """The one of that key, or what ``prepare`` makes."""
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = prepare()
            if len(self._known) > _MOST:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return found
