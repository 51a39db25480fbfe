"""Explore on after the first failure, until each of several wanted kinds of failure has been found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

import msgspec

from simulator.campaigns.searching.portfolio import sampled_faults
from simulator.campaigns.searching.sampling import rank_lengths
from simulator.experiment import Experiment
from simulator.invariants import Violation
from simulator.run import Run
from simulator.schedulers.bounded import ContextBounded
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape


class Caught(msgspec.Struct):
    """A failing run, and the number of the schedule that it was, from 1."""

    run: Run
    schedule: int


def collect(
    experiment: Experiment,
    wanted: Mapping[str, Callable[[Violation], bool]],
    *,
    schedules: int,
    switches: int = 1,
    seed: int = 0,
) -> dict[str, Caught]:
    """Run up to ``schedules`` schedules with few context switches, until something is found for each name.

    The first is the undisturbed one; the others make at most ``switches`` switches that nobody is forced to make, or
    one more from half of the schedules on. A failure counts for the first name whose function accepts it; names that
    nothing was found for are absent. The boundary must be installed.
    """
    undisturbed = experiment.run(TapeReplay(Tape()))
    lengths = rank_lengths(undisturbed, experiment.scenario.cluster.world_size)
    found: dict[str, Caught] = {}
    random = Random()
    run = undisturbed
    for number in range(1, schedules + 1):
        if number > 1:
            random.seed(seed << 40 | number)
            scheduler = ContextBounded(random, switches + (number > schedules // 2), sum(lengths))
            run = experiment.run(scheduler, sampled_faults(experiment.scenario, lengths, random))
        violation = run.violation
        name = None if violation is None else next((key for key, test in wanted.items() if test(violation)), None)
        if name is not None:
            found.setdefault(name, Caught(run, number))
        if len(found) == len(wanted):
            break
    return found
