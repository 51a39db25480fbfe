"""What fuzzes: the function behind ``ckptrace fuzz``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from simulator.campaigns.fuzzing.campaign import Campaign, Listener
from simulator.campaigns.fuzzing.corpus import open_corpus, shelf_of
from simulator.campaigns.fuzzing.limits import Limits
from simulator.campaigns.fuzzing.outcome import FuzzResult, fuzzed
from simulator.campaigns.fuzzing.standing import Standing
from simulator.errors import CkptraceError, UsageError
from simulator.exhaustive.code_under_test import digest_of_code
from simulator.experiment import Experiment
from simulator.interruption import interruptible
from simulator.scenario import Scenario


class Target(msgspec.Struct, frozen=True):
    """A scenario to fuzz, and what it is called."""

    name: str
    scenario: Scenario


def fuzz(
    targets: Sequence[Target],
    corpus: Path,
    *,
    schedules: int | None = None,
    seconds: float | None = None,
    workers: int = 1,
    seed: int = 0,
    confirm: bool = True,
    go_on: bool = True,
    listener: Listener | None = None,
) -> FuzzResult:
    """Fuzz scenarios until ``schedules`` were run in all, ``seconds`` have passed, or Ctrl-C.

    What an earlier session has put into the ``corpus`` is run again first, and gone on from. With one worker and no
    limit of time, the same seed and corpus give the same result; otherwise which runs are made depends on which come
    back first, and only each failure's trace is reproducible.

    A failure that was found is set aside, and further runs go on past it, unless ``go_on`` is False.

    Raises UsageError for arguments that make no sense, a scenario that cannot be made ready, and a corpus that cannot
    be used; CannotDo where a worker dies before anything was run, which is the result's ``problem`` later.
    """
    for name, value in (("schedules", schedules), ("workers", workers)):
        if value is not None and value < 1:
            raise UsageError(f"{name}: must be at least 1, is {value}")
    if not targets:
        raise UsageError("nothing to fuzz: there is no scenario")
    experiments = [_experiment(target) for target in targets]
    open_corpus(corpus)
    standings = [
        Standing(
            target.name,
            target.scenario,
            target.scenario.with_files(os.path.abspath),
            shelf_of(corpus, target.name, target.scenario),
            seed,
            digest_of_code(experiment),
            go_on=go_on,
        )
        for target, experiment in zip(targets, experiments, strict=True)
    ]
    limits = Limits(schedules, seconds)
    campaign = Campaign(standings, limits, workers, seed, confirm, listener)
    problem: CkptraceError | None = None
    with interruptible():
        try:
            campaign.go()
        except CkptraceError as error:  # Such as a corpus on a full disk: what was found is told all the same.
            if not campaign.schedules:
                raise
            problem = error
    return FuzzResult(
        [fuzzed(standing, experiment, seed) for standing, experiment in zip(standings, experiments, strict=True)],
        limits.spent,
        seed,
        campaign.ended if problem is None else f"given up: {problem}",
        corpus,
        problem,
    )


def _experiment(target: Target) -> Experiment:
    try:
        return Experiment(target.scenario)
    except UsageError as error:
        raise UsageError(f"{target.name}: {error}") from error
