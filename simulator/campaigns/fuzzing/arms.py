"""Chooses among ways to go on by what each has yielded lately."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

_FADING = 0.95
"""What a yield still counts after one more trial of the same arm."""
_FLOOR = 0.1
"""The chance that is left to an arm that yields nothing, beside 1 for one that always does: it may yet."""


class Arms:
    """A bandit. An arm is drawn with a weight of its yield a trial, where trials of long ago fade.

    What fuzzing yields runs dry (an arm that has covered what it can covers nothing more), so this follows the recent
    past rather than settle on the best of all times. An arm that was never tried counts as one that always yields.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._yields = dict.fromkeys(names, 1.0)
        self._trials = dict.fromkeys(self._yields, 1.0)

    def draw(self, random: Random, among: Iterable[str] | None = None) -> str:
        """One of the arms, or of those ``among`` them."""
        names = list(self._yields if among is None else among)
        return random.choices(names, [self._yields[name] / self._trials[name] + _FLOOR for name in names])[0]

    def tell(self, name: str, gain: float, trials: float = 1.0) -> None:
        """Trials of an arm gave so much; names that are no arms are left out."""
        if name in self._yields:
            fading = _FADING**trials
            self._yields[name] = self._yields[name] * fading + gain
            self._trials[name] = self._trials[name] * fading + trials
