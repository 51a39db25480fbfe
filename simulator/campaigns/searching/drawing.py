"""How sampling answers where a file system has a choice: in some runs never, in some rarely, in some always."""

from __future__ import annotations

from random import Random

from simulator.engines.answers import Draw
from simulator.experiment import Experiment
from simulator.tape import Address

_PARTS = (0.0, 0.05, 0.3, 1.0)
"""How often an answer is not the undisturbed one; a run has one of these.

One stale answer decides most failures, but which one is not known, and where a program asks often, many stale ones
hide what a single one would show; where a rank asks again until it sees something, only many in a row show anything.
"""


def drawn_answers(experiment: Experiment, seed: int) -> Draw | None:
    """The answers of one run; None where the file system has no choices."""
    return _Drawn(Random(f"ckptrace answers {seed}")) if experiment.has_choices else None


class _Drawn:
    def __init__(self, random: Random) -> None:
        self._random = random
        self._part = random.choice(_PARTS)

    def __call__(self, address: Address, options: int) -> int:
        if self._random.random() >= self._part:
            return 0
        return 1 if options == 2 else self._random.randrange(1, options)
