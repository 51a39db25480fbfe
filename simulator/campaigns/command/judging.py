"""What must hold for a program that nothing is known of: no rank fails, the job ends, a whole checkpoint stays."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from simulator.engines.interface import Engine, Step
from simulator.interposition.watching import Watch
from simulator.invariants import Violation
from simulator.layouts.on_disk import (
    Checkpoint,
    State,
    checkpoint_at,
    held_by,
    is_file_of_one,
    is_inside,
    is_staging,
    is_usual,
    without,
)
from simulator.operations import CHANGING, Open, Rename, paths_of

_MOST_NAMED = 3
"""So many missing files, and checkpoints that were whole, are named."""


class CommandJudge:
    """Judges one run of a program; implements ``run.Judge``.

    ``keep``: once something below the watched directory, at any depth, was a whole checkpoint of a known layout,
    something is at every instant; what turned out to be the beginning of a larger one was none. Where a restart could
    still resume, but not exactly, the violation is ``degraded``.
    ``no-leak``: when the job has ended by itself, no staging directories are left.

    Violations whose signature is in ``known`` are set aside. What the ranks do after one of them has failed or waits
    for ever is what a launcher would put an end to, so no error or hang is judged then.
    """

    def __init__(
        self, watch: Watch, world_size: int, judged: Collection[str] | None, known: Collection[str] = ()
    ) -> None:
        self._watch = watch
        self._root = Path(os.fsdecode(watch.root))
        self._judged = judged
        self._known = frozenset(known)
        self._saved = _Saved(self._root, world_size)
        self._opened: dict[tuple[int, int], str] = {}
        self._seen = 0
        self.met: set[str] = set()
        self.excused = False

    def begin(self) -> None:
        """See ``run.Judge.begin``."""
        self.excused = False
        self._seen = 0
        self._opened.clear()
        self._saved.look_at([""])

    def observe(self, engine: Engine) -> Violation | None:
        """See ``run.Judge.observe``."""
        steps = engine.steps[self._seen :]
        self._seen = len(engine.steps)
        changed = list(self._changed(steps))
        if changed:
            self._saved.look_at(changed)
        if not self.excused and engine.failed and self._counts("no-error"):
            rank = min(engine.failed)  # Which of several ended first between two steps is left to the machine.
            error = f"rank {rank} failed: {self._text(str(engine.endings[rank].error))}"
            violation = self._new(Violation("no-error", error, rank))
            if violation is not None:
                return violation
            self.excused = True
        if not changed or not self._counts("keep"):
            return None
        return self._new(self._saved.wrong(steps[-1]))

    def finish(self, engine: Engine, *, died: bool) -> Violation | None:
        """See ``run.Judge.finish``."""
        if died or self.excused:
            return None
        waiting = engine.waiting()
        if waiting and self._counts("no-hang"):
            said = ", ".join(f"rank {rank}" for rank in sorted(waiting))
            text = f"the job does not end: {said} in a call that does not return; nobody else goes on"
            return self._new(Violation("no-hang", text))
        left = self._saved.staging()
        if left and self._counts("no-leak"):
            return self._new(Violation("no-leak", f"left behind when the job ended: {', '.join(left)}"))
        return None

    def _new(self, violation: Violation | None) -> Violation | None:
        """The violation, unless it is set aside."""
        if violation is None or violation.signature not in self._known:
            return violation
        self.met.add(violation.signature)
        return None

    def _changed(self, steps: Iterable[Step]) -> Iterator[str]:
        """The paths that the steps may have changed something at."""
        for step in steps:
            operation = step.operation
            if isinstance(operation, Open) and isinstance(step.value, int):
                self._opened[step.rank, step.value] = operation.path
            if type(operation) not in CHANGING or step.error is not None:
                continue
            if isinstance(operation, Open) and not operation.flags & (os.O_CREAT | os.O_TRUNC):
                continue
            paths = paths_of(operation)
            if paths:
                # What is moved here from elsewhere is absolute.
                yield from (path for path in paths if not path.startswith("/"))
                continue
            number = getattr(operation, "fd", None)
            yield self._opened.get((step.rank, number), "") if isinstance(number, int) else ""

    def _counts(self, invariant: str) -> bool:
        return self._judged is None or invariant in self._judged

    def _text(self, message: str) -> str:
        """A message with paths relative to the watched directory."""
        for name in self._watch.names:
            root = os.fsdecode(name)
            message = message.replace(root + "/", "").replace(root, ".")
        return message


class _Saved:
    """The checkpoints below a directory: what they are now, and what they have been.

    Paths are relative to it; "" is the directory itself. Links are not followed.
    """

    def __init__(self, root: Path, world_size: int) -> None:
        self._root = root
        self._world_size = world_size
        self._found: dict[str, Checkpoint] = {}
        self._kinds: dict[str, int] = {}
        """As which each has shown itself, the largest: one of the Trainer looks like a whole model while it is being
        written, which it never was, and again while it is being deleted."""
        self._were_whole: dict[str, int] = {}
        """As which each was whole, that one last that was so last."""
        self._held: dict[str, frozenset[str]] = {}
        self._usual: dict[int, frozenset[str]] = {}
        """What the last whole checkpoint of a kind held, where all of that kind hold the same."""

    def look_at(self, paths: Iterable[str]) -> None:
        """Look again at what may have changed at these paths, and at all that they are in."""
        again: set[str] = set()
        for path in paths:
            if os.path.isabs(path):
                continue  # The other end of a rename or link is not in the watched directory.
            there, exact = self._existing(path)
            if not exact:
                # The name is gone, or stands for one that is random: whatever was or is at it, or below.
                self._forget_below(path)
            if (not exact and there != os.path.dirname(path)) or "*" in path:
                again.update(self._walk(there))
            elif exact:
                again.update(self._walk(path))
            again.update(_upwards(there))
        for place in sorted(again):
            self._look_at(place)
        for place in [place for place in self._were_whole if self._is_part(place)]:
            del self._were_whole[place]  # It was the beginning of a larger one.

    def wrong(self, last: Step) -> Violation | None:
        """What is wrong if a restart had to resume now, after a ``last`` step."""
        if not self._were_whole:
            return None
        states = {place: self._state(place) for place in self._found if not self._is_part(place)}
        if "whole" in states.values():
            return None
        degraded = [place for place, state in states.items() if state == "degraded"]
        before = list(reversed(self._were_whole))
        was = f"although {_named(before[0])} was whole"
        if degraded:
            best = max(degraded, key=lambda place: self._order(place))
            summary = "a restart would resume, but not exactly"
            lacks = "; ".join(str(lack) for lack in self._found[best].lacks[:_MOST_NAMED])
            more = len(self._found[best].lacks) - _MOST_NAMED
            text = f"degraded: {summary}: in {_named(best)} {lacks}{f' and {more} more' * (more > 0)}, {was}"
            became = [each for each in before if each != best]
            if became:
                text += f"; {self._became(became[0], last)}"
            return Violation("keep", text, degraded=True, summary=summary)
        summary = "no whole checkpoint is left that a restart could resume from"
        became = [self._became(place, last) for place in before[:_MOST_NAMED]]
        # One that was being written when the others went says most of what is missing.
        begun = [place for place in states if place not in self._were_whole]
        if begun:
            became.append(f"{_named(begun[-1])} is not whole: {self._lacking(begun[-1])}")
        return Violation("keep", f"lost: {summary}, {was}: {'; '.join(became)}", summary=summary)

    def staging(self) -> list[str]:
        """The staging directories, at any depth; not those inside of one."""
        found = []
        for directory, below, _ in os.walk(self._root):
            place = os.path.relpath(directory, self._root)
            found += [name if place == "." else f"{place}/{name}" for name in below if is_staging(name)]
            below[:] = [name for name in below if not is_staging(name)]
        return sorted(found)

    def _existing(self, path: str) -> tuple[str, bool]:
        """The deepest directory that there is on the way to a path; whether it is the path itself."""
        place, exact = path, True
        while place and not (self._root / place).is_dir():
            place, exact = os.path.dirname(place), False
        return place, exact

    def _walk(self, place: str) -> Iterator[str]:
        """All that may be a checkpoint there and below."""
        for directory, below, files in os.walk(self._root / place):
            relative = os.path.relpath(directory, self._root)
            here = "" if relative == "." else relative
            below[:] = [] if _in_staging(here) else [name for name in below if not is_staging(name)]
            yield here
            yield from (os.path.join(here, name) for name in files if is_file_of_one(name))
        yield from [known for known in self._found if _is_at_or_below(known, place)]

    def _forget_below(self, path: str) -> None:
        for place in [known for known in (*self._found, *self._kinds) if _is_at_or_below(known, path)]:
            self._look_at(place)

    def _look_at(self, place: str) -> None:
        path = self._root / place
        found = None
        if not _in_staging(place) and (is_file_of_one(place) or path.is_dir()):
            found = checkpoint_at(path, self._world_size)
        if found is None:
            self._found.pop(place, None)
            # What is left of one shows no sign of it any more.
            if place in self._kinds and not _holds_something(path):
                del self._kinds[place]
                self._held.pop(place, None)
            return
        wanted = self._held.get(place, frozenset()) | self._usual.get(found.kind, frozenset())
        found = without(found, [name for name in wanted if not (path / name).exists()])
        self._found[place] = found
        largest = self._kinds[place] = min(found.kind, self._kinds.get(place, found.kind))
        if largest < self._were_whole.get(place, largest):
            del self._were_whole[place]
        if found.kind == largest and found.state == "whole" and not self._is_part(place):
            self._were_whole[place] = min(found.kind, self._were_whole.pop(place, found.kind))
            self._held[place] = held_by(path, found)
            if is_usual(found):
                self._usual[found.kind] = self._held[place]

    def _state(self, place: str) -> State:
        found = self._found[place]
        return found.state if found.kind == self._kinds[place] else "lost"

    def _is_part(self, place: str) -> bool:
        """Whether it lies in a larger checkpoint, and is nothing by itself."""
        above = place
        while above:
            above, name = os.path.split(above)
            kind = self._kinds.get(above)
            if kind is not None and is_inside(kind, name):
                return True
        return False

    def _order(self, place: str) -> int:
        """The later it was whole, the larger; below all if it never was."""
        return list(self._were_whole).index(place) if place in self._were_whole else -1

    def _became(self, place: str, last: Step) -> str:
        """What became of one that was whole."""
        path = self._root / place
        if not os.path.lexists(path):
            operation = last.operation
            if isinstance(operation, Rename) and _is_at_or_below(place, operation.source):
                return f"{_named(place)} was renamed, {operation.source} to {operation.target}"
            return f"{_named(place)} was deleted"
        found = self._found.get(place)
        if found is None or found.kind != self._kinds[place]:
            return f"{_named(place)} has been deleted in part"
        how = "is overwritten" if any(lack.overwritten for lack in found.lacks) else "is no longer whole"
        return f"{_named(place)} {how}: {self._lacking(place)}"

    def _lacking(self, place: str) -> str:
        lacks = self._found[place].lacks
        if not lacks:
            return "it has files of a larger one"
        named = [str(lack) for lack in sorted(lacks, key=lambda lack: lack.tolerated)[:_MOST_NAMED]]
        more = len(lacks) - len(named)
        return ", ".join(named) + f" and {more} more" * (more > 0)


def _named(place: str) -> str:
    return place or "the watched directory"


def _in_staging(place: str) -> bool:
    return any(is_staging(part) for part in place.split("/"))


def _holds_something(path: Path) -> bool:
    try:
        return bool(os.listdir(path))
    except OSError:
        return False


def _is_at_or_below(place: str, path: str) -> bool:
    return not path or place == path or place.startswith(f"{path}/")


def _upwards(place: str) -> Iterator[str]:
    yield place
    while place:
        place = os.path.dirname(place)
        yield place
