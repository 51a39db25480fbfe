"""What must hold for a program that nothing is known of: no rank fails, the job ends, a whole checkpoint stays."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from simulator.engines.interface import Engine
from simulator.interposition.watching import Watch
from simulator.invariants import Violation
from simulator.layouts.on_disk import is_whole, kind_of
from simulator.operations import CHANGING, Open, paths_of

_STAGING = ("tmp-", ".tmp", "tmp_")


class CommandJudge:
    """Judges one run of a program; implements ``run.Judge``.

    ``keep``: once a directory below the watched one was a whole checkpoint of a known layout, one is at every instant;
    one that turned out to be the beginning of a larger one was none.
    ``no-leak``: when the job has ended by itself, no more staging directories and torn files are left than one a save.
    """

    def __init__(self, watch: Watch, world_size: int, judged: Collection[str] | None) -> None:
        self._watch = watch
        self._root = Path(os.fsdecode(watch.root))
        self._world_size = world_size
        self._judged = judged
        self._whole: set[str] = set()
        self._kinds: dict[str, int] = {}
        self._were_whole: dict[str, int] = {}
        self._seen = 0
        self.excused = False

    def begin(self) -> None:
        """See ``run.Judge.begin``."""
        self.excused = False
        self._seen = 0
        self._look_at_all()

    def observe(self, engine: Engine) -> Violation | None:
        """See ``run.Judge.observe``."""
        kept = self._kept(engine)
        if not self.excused and engine.failed and self._counts("no-error"):
            rank = engine.failed[0]
            return Violation("no-error", f"rank {rank} failed: {self._text(str(engine.endings[rank].error))}", rank)
        return kept

    def finish(self, engine: Engine, *, died: bool) -> Violation | None:
        """See ``run.Judge.finish``."""
        if died or self.excused:
            return None
        waiting = engine.waiting()
        if waiting and self._counts("no-hang"):
            said = ", ".join(f"rank {rank}" for rank in sorted(waiting))
            return Violation(
                "no-hang", f"the job does not end: {said} in a call that does not return; nobody else goes on", None
            )
        left = sorted(name for name in self._directories() if name.startswith(_STAGING))
        if left and self._counts("no-leak"):
            return Violation("no-leak", f"left behind when the job ended: {', '.join(left)}")
        return None

    def _kept(self, engine: Engine) -> Violation | None:
        """Look again at what the last steps have changed."""
        changed = set()
        for step in engine.steps[self._seen :]:
            operation = step.operation
            if type(operation) not in CHANGING or step.error is not None:
                continue
            if isinstance(operation, Open) and not operation.flags & (os.O_CREAT | os.O_TRUNC):
                continue
            paths = paths_of(operation)
            changed |= {path.partition("/")[0] for path in paths} if paths else {""}
        self._seen = len(engine.steps)
        if not changed:
            return None
        if "" in changed:
            self._look_at_all()
        else:
            for name in changed:
                self._look_at(name)
        if self._whole or not self._were_whole or not self._counts("keep"):
            return None
        last = next(reversed(self._were_whole)) or "the watched directory"
        return Violation(
            "keep", f"no whole checkpoint is left that a restart could resume from, although {last} was whole"
        )

    def _look_at_all(self) -> None:
        for name in {*self._directories(), *self._whole, ""}:
            self._look_at(name)

    def _look_at(self, name: str) -> None:
        """Whether the directory is whole, as the largest layout that it has shown a sign of.

        A checkpoint of the Trainer looks like a whole model while it is being written, which it never was, and again
        while it is being deleted.
        """
        self._whole.discard(name)
        place = self._root / name
        kind = None if name.startswith(_STAGING) else kind_of(place)
        if kind is None:
            self._kinds.pop(name, None)
            return
        largest = self._kinds[name] = min(kind, self._kinds.get(name, kind))
        if largest < self._were_whole.get(name, largest):
            del self._were_whole[name]
        if kind == largest and is_whole(place, self._world_size):
            self._whole.add(name)
            self._were_whole[name] = min(kind, self._were_whole.pop(name, kind))

    def _directories(self) -> list[str]:
        try:
            with os.scandir(self._root) as entries:
                return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return []

    def _counts(self, invariant: str) -> bool:
        return self._judged is None or invariant in self._judged

    def _text(self, message: str) -> str:
        """A message with paths relative to the watched directory."""
        for name in self._watch.names:
            root = os.fsdecode(name)
            message = message.replace(root + "/", "").replace(root, ".")
        return message
