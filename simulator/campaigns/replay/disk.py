"""Runs of an experiment with real processes on a real directory."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from simulator.engines.conditions import Conditions
from simulator.engines.interface import Engine
from simulator.engines.processes import OnDisk, process_engine, template_for
from simulator.engines.template import Template
from simulator.errors import CannotDo, Divergence, UsageError
from simulator.experiment import Experiment
from simulator.filesystems import Filesystem
from simulator.filesystems.real import scratch_beside
from simulator.filesystems.snapshots import Snapshots, remove_tree
from simulator.invariants.judge import Verdicts
from simulator.invariants.restart import Probe, Seen
from simulator.operations import Write
from simulator.run import Judge, Run, Scheduler, execute
from simulator.tape import Tape

MODULES = {"torch": ("torch",), "safetensors": ("torch", "safetensors.torch")}
"""What the template imports beforehand, by the form of the workload."""

_TIMES = frozenset({"mtime", "ctime"})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})


@contextmanager
def disk_runs(experiment: Experiment, directory: Path | None = None) -> Iterator[DiskRuns]:
    """Make ready to run an experiment below ``directory`` (None: a temporary one, on a disk if possible).

    The boundary must be installed. Raises UsageError when the directory is not writable, and CannotDo, then or in a
    run, when the disk is full: what a run meets there is no part of the scenario. Everything below is removed in the
    end.
    """
    where = directory if directory is not None else _default_directory()
    try:
        _remove_left(where)
        base, lock = _made(where)
    except OSError as error:
        if error.errno in _FULL:
            raise _full(where, error) from error
        raise UsageError(f"{where}: {error.strerror}") from error
    try:
        with template_for(experiment.ranks(), MODULES.get(experiment.scenario.workload.form, ())) as template:
            yield DiskRuns(experiment, template, base)
    finally:
        remove_tree(base)
        os.close(lock)


_NEW: Final = ".ckptrace-new-"
_LOCKED: Final = ".ckptrace-disk-"


def _made(where: Path) -> tuple[Path, int]:
    """A directory of one's own, and the descriptor that holds its lock: until the process ends, however it does."""
    made = Path(tempfile.mkdtemp(dir=where, prefix=_NEW))
    lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # It gets the name by which others recognise it when they cannot have the lock any more.
    base = made.with_name(_LOCKED + made.name.removeprefix(_NEW))
    made.rename(base)
    return base, lock


def _remove_left(where: Path) -> None:
    """Remove what processes of this user have left that were killed."""
    for left in where.glob(f"{_LOCKED}*"):
        with suppress(OSError):
            lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.getuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    remove_tree(left)
            finally:
                os.close(lock)


class DiskRuns:
    """Made by ``disk_runs``. ``filesystem`` is the type of the file system, as the kernel names it.

    ``root`` is the directory that the ranks of a run work in; it is there only while they do.
    """

    def __init__(self, experiment: Experiment, template: Template, base: Path) -> None:
        self._experiment = experiment
        self._template = template
        self._base = base
        self.root = base / "root"
        self.filesystem = filesystem_type(base)

    def run(
        self,
        scheduler: Callable[[], Scheduler],
        plan: Tape | None = None,
        *,
        judge_by: Callable[[Judge], Judge] = lambda judge: judge,
        when: Callable[[Engine], bool] | None = None,
        detail: bool = False,
    ) -> Run:
        """One run in an empty directory; ``judge_by`` may put something around the judge.

        The kernel's clock is coarse: two changes in a row can get the same modification time. Where anybody looked at
        one, the run is made again, slower, with each change later than the one before.
        """
        if not self._experiment.checks:  # What a user's own invariant looks at is not known.
            attempt = _Attempt(self._experiment, self._template, self._base, ticking=False)
            try:
                run = attempt.run(scheduler(), plan, judge_by, when, detail)
            except Divergence:
                if not attempt.looked:
                    raise
            else:
                if not attempt.looked:
                    return run
        ticking = _Attempt(self._experiment, self._template, self._base, ticking=True)
        return ticking.run(scheduler(), plan, judge_by, when, detail)


class _Attempt:
    """One run; knows whether anybody looked at a time."""

    def __init__(self, experiment: Experiment, template: Template, base: Path, *, ticking: bool) -> None:
        self._experiment = experiment
        self._template = template
        self._base = base
        self._ticking = ticking
        self._engines: list[Engine] = []
        self._probe = None if experiment.probe is None else _Watching(experiment.probe)

    @property
    def looked(self) -> bool:
        """Whether a rank or a judgement looked at a modification or change time."""
        looks = (facet in _TIMES for engine in self._engines for _, _, facet in engine.looks)
        return any(looks) or (self._probe is not None and self._probe.looked)

    def run(
        self,
        scheduler: Scheduler,
        plan: Tape | None,
        judge_by: Callable[[Judge], Judge],
        when: Callable[[Engine], bool] | None,
        detail: bool,
    ) -> Run:
        try:
            run = self._run(scheduler, plan, judge_by, when, detail)
        except (Divergence, OSError) as error:
            self._check_room(plan, error)
            raise
        self._check_room(plan)
        return run

    def _check_room(self, plan: Tape | None, raised: Exception | None = None) -> None:
        """Raise CannotDo where the disk was full, and no fault of the plan has made it so."""
        where = self._base.parent
        if isinstance(raised, OSError) and raised.errno in _FULL:
            raise _full(where, raised) from raised
        if plan is not None and any(kind.startswith("error") for _, kind, _, _ in plan.choices):
            return
        for engine in self._engines:
            for step in engine.steps:
                error = step.error
                if isinstance(step.operation, Write) and error is None and step.value < len(step.operation.data):
                    error = OSError(errno.ENOSPC, "")  # The next write would have met it.
                if error is not None and error.errno in _FULL:
                    raise _full(where, error, f"rank {step.rank}: {type(step.operation).__name__.lower()}")

    def _run(
        self,
        scheduler: Scheduler,
        plan: Tape | None,
        judge_by: Callable[[Judge], Judge],
        when: Callable[[Engine], bool] | None,
        detail: bool,
    ) -> Run:
        experiment = self._experiment
        scenario = experiment.scenario
        root = self._base / "root"
        root.mkdir()
        root.chmod(0o755)  # As the model's root, whatever this process' umask.
        view = Snapshots(root, self._base, scenario.cluster.ranks_per_node)
        where = OnDisk(str(root), ticking=self._ticking)
        verdicts = Verdicts(self._probe) if self._probe is not None else None

        def engine_factory(_: Filesystem, conditions: Conditions) -> Engine:
            seconds = scenario.budgets.wall_seconds
            engine = process_engine(
                self._template,
                where,
                experiment.ranks(),
                conditions,
                costs=experiment.costs,
                detail=detail,
                seconds=seconds,
            )
            self._engines.append(engine)
            return engine

        try:
            return execute(
                view,
                engine_factory,
                scheduler,
                judge=judge_by(experiment.judge(view, verdicts, when)),
                plan=plan,
                faults=scenario.faults,
                ranks_per_node=scenario.cluster.ranks_per_node,
                restarts=scenario.restarts,
                budgets=scenario.budgets,
            )
        finally:
            remove_tree(root)
            if scratch_beside(root).exists():
                remove_tree(scratch_beside(root))


def _full(where: Path, error: OSError, what: str = "") -> CannotDo:
    said = os.strerror(error.errno or errno.ENOSPC)
    return CannotDo(
        f"{where}: {said}{f' ({what})' if what else ''}: nothing can be said of the recording there; make room, or "
        "name another directory with --dir"
    )


class _Watching:
    """A probe that remembers whether a judgement looked at a time."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self.looked = False

    def look(self, filesystem: Any, attempt: int) -> Seen:
        seen = self._probe.look(filesystem, attempt)
        self.looked = self.looked or bool(seen.looked)
        return seen


def filesystem_type(directory: Path) -> str:
    """The type of the file system that a directory lies on, as Linux names it in /proc/self/mountinfo (proc(5))."""
    path = os.fsencode(directory.resolve())
    longest, found = -1, b"unknown"
    for line in Path("/proc/self/mountinfo").read_bytes().splitlines():
        before, _, after = line.partition(b" - ")
        point = _unescaped(before.split()[4])
        # Of two mounts on one point, the later one covers the other.
        if len(point) >= longest and (path + b"/").startswith(point.rstrip(b"/") + b"/"):
            longest, found = len(point), after.split()[0]
    return found.decode()


def _unescaped(text: bytes) -> bytes:
    for octal in (b"040", b"011", b"012", b"134"):
        text = text.replace(b"\\" + octal, bytes([int(octal, 8)]))
    return text


def _default_directory() -> Path:
    for place in (Path(tempfile.gettempdir()), Path.cwd()):
        if filesystem_type(place) not in _IN_MEMORY and os.access(place, os.W_OK):
            return place
    return Path(tempfile.gettempdir())
