"""Which file of a checkpoint a path names, in whichever checkpoint: without a look at every file of the layout."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from simulator.layouts.shards import ShardSpec

_STEP = "{step}"
_DIGITS = re.compile(r"\d+")


class Names:
    """The files of a layout by their names. A question costs as much as the path is long.

    A path names a file if it ends in its name, from the beginning of a component on, with any number for the step.
    """

    def __init__(self, specs: Sequence[ShardSpec]) -> None:
        self._places = {spec.name: place for place, spec in enumerate(specs)}
        self._specs = specs
        self._several = [
            (place, re.compile(f"(?:^|/){re.escape(spec.name).replace(re.escape(_STEP), '[0-9]+')}$"))
            for place, spec in enumerate(specs)
            if spec.name.count(_STEP) > 1
        ]

    def of(self, path: str) -> list[ShardSpec]:
        """The files that the path names, in the order of the layout; mostly one or none."""
        places = {place for place, pattern in self._several if pattern.search(path)}
        for name in _ways_to_read(path):
            place = self._places.get(name)
            if place is not None:
                places.add(place)
        return [self._specs[place] for place in sorted(places)]


def _ways_to_read(path: str) -> Iterator[str]:
    """Every end of the path, as it stands and with one of its numbers read as the step."""
    start = 0
    while True:
        end = path[start:]
        yield end
        for number in _DIGITS.finditer(end):
            yield end[: number.start()] + _STEP + end[number.end() :]
        start = path.find("/", start) + 1
        if not start:
            return
