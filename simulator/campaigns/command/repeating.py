"""Whether a real program does the same again, as far as it must.

No part of that are names that are drawn, how threads and descriptors are numbered, and how long what is written is: a
time that somebody took may have a digit more. So two runs do the same where one can be turned into the other by calling
things by other names: each name, thread and descriptor of the one always by the same of the other.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

from simulator.campaigns.searching.determinism import events_of
from simulator.run import Run
from simulator.trace import Event, Trace

_LENGTHS: Final = frozenset({"write", "truncate"})
"""Operations of which only the file counts: the rest says how long something is."""


class _Names:
    """What each thing of one run is called in the other, and the other way round."""

    def __init__(self) -> None:
        self._there: dict[Hashable, Hashable] = {}
        self._here: dict[Hashable, Hashable] = {}

    def may_be(self, here: Hashable, there: Hashable) -> bool:
        """Whether that is the same thing; from then on it is."""
        return self._there.setdefault(here, there) == there and self._here.setdefault(there, here) == here

    def of(self, here: Hashable) -> Hashable:
        """What it is called there, as far as is known."""
        return self._there.get(here)


class Likeness:
    """Whether the events of two attempts, in order, are alike. One instance serves one attempt."""

    def __init__(self) -> None:
        self._names, self._tasks, self._descriptors = _Names(), _Names(), _Names()

    def alike(self, here: Event, there: Event) -> bool:
        """Whether the next event of each does the same."""
        if (here.rank, here.n, here.kind, here.error) != (there.rank, there.n, there.kind, there.error):
            return False
        if not self._tasks.may_be(here.task, there.task):
            return False
        most = 1 if here.kind in _LENGTHS else max(len(here.arguments), len(there.arguments))
        ours, theirs = here.arguments[:most], there.arguments[:most]
        if len(ours) != len(theirs):
            return False
        if not all(self._same(here.rank, one, other) for one, other in zip(ours, theirs, strict=True)):
            return False
        return self._same_results(here, there)

    def _same(self, rank: int, here: Any, there: Any) -> bool:
        if not isinstance(here, str) or not isinstance(there, str):
            return bool(here == there)
        if _is_descriptor(here) and _is_descriptor(there):
            return self._descriptors.may_be((rank, here), (rank, there))
        ours, theirs = here.split("/"), there.split("/")
        return len(ours) == len(theirs) and all(map(self._names.may_be, ours, theirs))

    def _same_results(self, here: Event, there: Event) -> bool:
        one, other = here.result, there.result
        if here.kind in _LENGTHS:
            return True
        if here.kind == "stat":
            return (one is None) == (other is None) and (not one or one[0] == other[0])
        if here.kind == "readdir" and one is not None and other is not None:
            return self._same_listings(one, other)
        return self._same(here.rank, one, other)

    def _same_listings(self, here: list[list[Any]], there: list[list[Any]]) -> bool:
        """Listings are sorted by name, so names that nobody has heard of yet stand for each other in that order."""
        known = {self._names.of(name): kind for name, kind in here if self._names.of(name) is not None}
        left = [(name, kind) for name, kind in there if known.pop(name, None) != kind]
        unknown = [(name, kind) for name, kind in here if self._names.of(name) is None]
        return (
            not known
            and [kind for _, kind in left] == [kind for _, kind in unknown]
            and all(self._names.may_be(ours, theirs) for (ours, _), (theirs, _) in zip(unknown, left, strict=True))
        )


def _is_descriptor(text: str) -> bool:
    return text.startswith("fd") and text[2:].isdigit()


def difference(first: list[list[Event]], second: list[list[Event]], *, whole: bool = True) -> tuple[int, str | None]:
    """After how many steps the attempts of two runs differ first, and how, in words; None where they do not.

    ``whole``: both ended, so that neither may have more steps than the other.
    """
    followed = 0
    for attempt, (a, b) in enumerate(zip(first, second, strict=False)):
        likeness = Likeness()
        for position, (x, y) in enumerate(zip(a, b, strict=False)):
            if not likeness.alike(x, y):
                return followed, (
                    f"in attempt {attempt} at step {position}: rank {x.rank} {x.kind} {x.arguments} then, "
                    f"rank {y.rank} {y.kind} {y.arguments} now"
                )
            followed += 1
        if len(a) != len(b) and whole:
            return followed, f"in attempt {attempt}: {len(a)} operations then, {len(b)} now"
    return followed, None


def unlike(first: Run, second: Run, what: str) -> str | None:
    """A warning that says where two runs of one tape, which ``what`` names, differ first; None where they do not.

    Where one of them did not end, only what both did is compared.
    """
    whole = first.incomplete is None and second.incomplete is None
    _, differing = difference(events_of(first), events_of(second), whole=whole)
    if differing is None:
        return None
    return (
        f"two runs of {what} differ {differing}. So a schedule may not lead to the same again, "
        "and a failure may take several replays"
    )


def left_at(recording: Trace, trace: Trace) -> tuple[int, str | None]:
    """After how many steps a replay left its recording, and how, in words; None where it did not."""
    return difference([each.events for each in recording.attempts], [each.events for each in trace.attempts])
