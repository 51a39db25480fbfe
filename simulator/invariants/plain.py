"""What a restart of a plain program would take, judged by what undisturbed runs of it left.

A plain program has no workload that says what a whole checkpoint is, so that is learned: whenever the save of a step
has returned on every rank (``rank.saved``; without it, when all ranks have returned), what ``pick`` gives is taken as
whole, with the names of its files and what they hold.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from simulator.engines.interface import Ending, Step
from simulator.filesystems import Filesystem
from simulator.invariants.restart import Seen
from simulator.invariants.viewer import glance
from simulator.invariants.violation import Violation, text_of
from simulator.job import step_of
from simulator.operations import Extent, Write
from simulator.rank import Rank

Files = dict[str, tuple[int, str]]
"""Size and digest of each file below a checkpoint, by relative path; a checkpoint that is a file has its own name."""


class Picked(msgspec.Struct, frozen=True):
    """What ``pick`` gave: a path relative to the root, and the files there; None where nothing is there."""

    path: str
    files: Files | None


class FunctionProbe:
    """Runs ``pick(root)``, and compares what it gives with what was learned under the same path.

    A path that was never learned is not judged, but that it exists. What files hold is judged only where it is known
    to be the same in every run (``content_is_fixed``): a program may write what depends on the schedule.
    """

    def __init__(self, pick: Callable[[Path], Path | None], *, nodes: int, world_size: int, root: str) -> None:
        self._pick = pick
        self._nodes = nodes
        self._world_size = world_size
        self._root = root
        self._learned: dict[str, list[tuple[int | None, Files]]] = {}
        self.content_is_fixed = False
        self.in_vain: str | None = None
        """Why there was nothing to learn when ``pick`` was last called for it, where it did not just give None."""

    @property
    def has_learned(self) -> bool:
        """Whether anything was ever picked when it was to be learned."""
        return bool(self._learned)

    def look(self, filesystem: Filesystem, attempt: int) -> Seen:
        """Judge ``complete`` and ``content`` of what would be picked."""
        result = glance(filesystem, self._resume, nodes=1, world_size=1, root=self._root, attempt=attempt + 1)
        ending = result.endings.get(0)
        if ending is None or ending.error is not None:
            text = self._failed(ending)
            return Seen(None, Violation("complete", f"a restart fails in pick: {text}"), result.looked)
        if ending.value is None:
            return Seen(looked=result.looked)
        step, problem = self._judged(ending.value)
        return Seen(step, problem, result.looked, unknown=step is None)

    def learn(self, filesystem: Filesystem, attempt: int, step: int | None) -> None:
        """Take what would be picked now as whole: the checkpoint of ``step`` (None: its name may tell)."""
        endings = glance(filesystem, self._resume, nodes=1, world_size=1, root=self._root, attempt=attempt + 1).endings
        ending = endings.get(0)
        picked = None if ending is None else ending.value
        self.in_vain = None
        if ending is None or ending.error is not None:
            self.in_vain = f"pick fails in the undisturbed run: {self._failed(ending)}"
        elif picked is not None and picked.files is None:
            self.in_vain = f"pick gave {picked.path} in the undisturbed run, which does not exist"
        elif picked is not None:
            known = step if step is not None else step_of(Path(picked.path))
            self._learned.setdefault(picked.path, []).append((known, picked.files))

    def _failed(self, ending: Ending | None) -> str:
        error = None if ending is None else ending.error
        return "it waits" if error is None else text_of(error, self._root)

    def _judged(self, picked: Picked) -> tuple[int | None, Violation | None]:
        files = picked.files
        if files is None:
            return None, Violation("complete", f"a restart picks {picked.path}, which does not exist")
        learned = self._learned.get(picked.path)
        if learned is None:
            return step_of(Path(picked.path)), None
        whole = [known for known in learned if known[1].keys() <= files.keys()]
        if not whole:
            missing = min((sorted(known.keys() - files.keys()) for _, known in learned), key=len)
            return None, Violation("complete", f"a restart picks {picked.path}, which lacks {', '.join(missing)}")
        if self.content_is_fixed:
            same = [known for known in whole if all(files[name] == held for name, held in known[1].items())]
            if not same:
                return None, Violation("content", f"a restart picks {picked.path}, {_difference(files, whole)}")
            whole = same
        steps = {step for step, _ in whole}
        return (whole[-1][0] if len(steps) == 1 or self.content_is_fixed else None), None

    def _resume(self, rank: Rank) -> Picked | None:
        picked = self._pick(rank.root)
        if picked is None:
            return None
        if not isinstance(picked, str | os.PathLike):
            raise TypeError(f"pick must give a path or None, gave {picked!r}")
        path = rank.root / picked
        relative = str(path.relative_to(rank.root)) if path.is_relative_to(rank.root) else str(path)
        if path.is_file():
            return Picked(relative, {path.name: _held(path)})
        if not path.is_dir():
            return Picked(relative, None)
        return Picked(
            relative, {str(file.relative_to(path)): _held(file) for file in path.rglob("*") if file.is_file()}
        )


def written(steps: Sequence[Step], world_size: int) -> list[list[str]]:
    """What each rank wrote, in order: by it one sees whether a program writes the same in every run."""
    result: list[list[str]] = [[] for _ in range(world_size)]
    for step in steps:
        if isinstance(step.operation, Write):
            data: Any = step.operation.data
            result[step.rank].append(str(data.size) if isinstance(data, Extent) else _digest(bytes(data)))
    return result


def _held(file: Path) -> tuple[int, str]:
    content = file.read_bytes()
    return len(content), _digest(content)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _difference(files: Files, whole: list[tuple[int | None, Files]]) -> str:
    """Which file keeps a checkpoint from being any of those that were whole."""
    _, nearest = min(whole, key=lambda known: sum(files[name] != held for name, held in known[1].items()))
    name = min(name for name, held in nearest.items() if files[name] != held)
    size, expected = files[name][0], nearest[name][0]
    if size != expected:
        return f"in which {name} has {size} bytes where a whole one has {expected}: torn"
    return f"in which {name} does not hold what belongs to the other files: torn, or of another save"
