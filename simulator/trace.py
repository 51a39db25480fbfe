"""What happened: the canonical record of a run, and its file format.

A trace is the same for the same tape whichever engine or file system ran it: paths are relative to the root and what
differs between file systems without meaning anything is left out (``engines.canonical`` says what). The file is JSON:
format version, versions of the software, scenario, tape, operations, verdict.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from simulator.errors import UsageError
from simulator.operations import check_summary
from simulator.scenario import from_table
from simulator.tape import Tape
from simulator.writing import write_whole

FORMAT_VERSION = 1


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One step of a run.

    ``task`` did its ``n``-th operation; ``rank`` is the rank that it belongs to. ``result`` is the canonical result,
    ``error`` the errno's name. ``site`` is ``file:line`` of the code under test, where it was recorded.
    """

    rank: int
    task: int
    n: int
    kind: str
    arguments: list[Any]
    result: Any = None
    error: str | None = None
    site: str | None = None

    def same_as(self, other: Event) -> bool:
        """Whether two engines did the same here (the source line is not part of it)."""
        return (self.task, self.n, self.kind, self.arguments, self.result, self.error) == (
            other.task,
            other.n,
            other.kind,
            other.arguments,
            other.result,
            other.error,
        )


class Meeting(msgspec.Struct, frozen=True, omit_defaults=True):
    """A rank of an unmodified program came to a collective, or ``back`` from it, after ``n`` operations of ``task``.

    ``waits``: ``all``, everybody waits for everybody; ``from``, the others for the rank ``one``; ``to``, that one for
    the others. ``identity`` tells groups of the same ranks apart. A negative task made no call about the directory.
    """

    rank: int
    task: int
    n: int
    name: str
    waits: str
    group: tuple[int, ...]
    identity: str = ""
    one: int | None = None
    back: bool = False


class AttemptTrace(msgspec.Struct, frozen=True):
    """One attempt of the job: its events in order, what struck (position, text), how each rank ended.

    ``sites`` is ``file:line`` of the code under test where a rank raised, ``output`` the end of what each rank printed.
    ``meetings`` are the collectives of an unmodified program, task by task; they are no part of the digest.
    """

    events: list[Event]
    faults: list[tuple[int, str]] = []
    endings: dict[int, str] = {}
    seconds: list[float] = []
    sites: dict[int, str] = {}
    output: dict[int, str] = {}
    meetings: list[Meeting] = []


class Verdict(msgspec.Struct, frozen=True):
    """The violated invariant of a failing trace. ``degraded``: a restart still resumes, but not exactly."""

    invariant: str
    message: str
    rank: int | None = None
    signature: str = ""
    degraded: bool = False


class Trace(msgspec.Struct, frozen=True, dict=True):
    """A recorded run.

    ``scenario`` names files relative to the project, ``sources`` holds a hash of each (``simulator.portable``).
    ``seal`` tells whoever recorded the run that it is a recording of their own (``campaigns.trust``).
    """

    scenario: dict[str, Any]
    tape: list[tuple[int, str, int, int, int]]
    attempts: list[AttemptTrace]
    digest: str
    verdict: Verdict | None = None
    explanation: dict[str, Any] | None = None
    versions: dict[str, str] = {}
    sources: dict[str, str] = {}
    seal: str = ""
    format: int = FORMAT_VERSION

    def choices(self) -> Tape:
        """The tape that the run was recorded on."""
        return Tape.of_entries(self.tape)

    def __repr__(self) -> str:
        events = sum(len(attempt.events) for attempt in self.attempts)
        return f"<Trace {self.verdict.invariant if self.verdict else 'clean'}, {events} operations, {self.digest}>"

    def found_in(self, directory: Path) -> None:
        """Keep the directory of the file that it was read from; no part of the file."""
        msgspec.structs.force_setattr(self, "_directory", directory)

    def directory(self) -> Path | None:
        """The directory of the file that it was read from, if it was."""
        return getattr(self, "_directory", None)

    def remember(self, experiment: Any) -> None:
        """Keep the experiment that this run belongs to, for replays in this process; no part of the file."""
        msgspec.structs.force_setattr(self, "_experiment", experiment)

    def remembered(self) -> Any | None:
        """The experiment that this run belongs to, if it was recorded in this process."""
        return getattr(self, "_experiment", None)


def digest_of(attempts: Iterable[Iterable[Event]]) -> str:
    """A digest of what happened: equal for equal canonical events, in every process and on every machine."""
    total = hashlib.blake2b(digest_size=16)
    for events in attempts:
        total.update(b"attempt")
        for event in events:
            fields = (event.task, event.n, event.kind, event.arguments, event.result, event.error)
            total.update(repr(fields).encode("utf-8", "surrogatepass"))
    return total.hexdigest()


def software_versions() -> dict[str, str]:
    """Versions on which a verdict can depend: 3.13's rmtree, say, ignores errors that 3.12's raises."""
    found = {"python": platform.python_version(), "system": platform.system()}
    for name in ("ckptrace", "torch", "safetensors"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def differences(recorded: dict[str, str]) -> list[str]:
    """How the software here differs from that of a recording, a line each."""
    here = software_versions()
    return [
        f"recorded with {name} {version}, this is {here.get(name, 'unknown')}"
        for name, version in recorded.items()
        if here.get(name) != version
    ]


def save(trace: Trace, path: Path) -> None:
    """Write a trace file so that it is whole or absent. Raises UsageError when the place is not writable."""
    write_whole(path, encoded(trace))


def encoded(trace: Trace) -> bytes:
    """The content of a trace file."""
    return msgspec.json.format(msgspec.json.encode(escaped(msgspec.to_builtins(trace, str_keys=True))), indent=1)


def load(path: Path) -> Trace:
    """Read a trace file. Raises UsageError, naming the file, when it is missing, torn, newer or something else."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    try:
        table = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a whole trace file: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: not a ckptrace trace: it is nested too deeply") from error
    version = table.get("format") if isinstance(table, dict) else None
    if not isinstance(version, int):
        raise UsageError(f"{path}: not a ckptrace trace: it has no format version")
    if version > FORMAT_VERSION:
        raise UsageError(
            f"{path}: written by a newer ckptrace (format {version}, this one reads up to {FORMAT_VERSION})"
        )
    try:
        trace = msgspec.convert(table, Trace, str_keys=True)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: not a valid trace: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: not a ckptrace trace: it is nested too deeply") from error
    scenario = from_table(trace.scenario, str(path))
    try:
        _check(trace, scenario.cluster.world_size)
        found = digest_of(attempt.events for attempt in trace.attempts)
    except ValueError as error:
        raise UsageError(f"{path}: not a valid trace: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{path}: not a valid trace: it is nested too deeply") from error
    if found != trace.digest:
        raise UsageError(f"{path}: damaged: its operations have digest {found}, it says {trace.digest}")
    trace.found_in(path.resolve().parent)
    return trace


def _check(trace: Trace, world_size: int) -> None:
    """Raise ValueError, naming the place, for what no run can have recorded: readers may rely on the rest."""
    for number, attempt in enumerate(trace.attempts):
        where = f"attempt {number}"
        for position, event in enumerate(attempt.events):
            try:
                check_summary(event.kind, event.arguments)
            except ValueError as error:
                raise ValueError(f"{where}, step {position}: {error}") from error
            if not 0 <= event.rank < world_size or not 0 <= event.task < _MOST or not 0 <= event.n < _MOST:
                raise ValueError(f"{where}, step {position}: rank {event.rank}, task {event.task}, operation {event.n}")
        for position, text in attempt.faults:
            if not 0 <= position <= len(attempt.events):
                raise ValueError(f"{where}: {text!r} at step {position} of {len(attempt.events)}")
        met = [rank for meeting in attempt.meetings for rank in (meeting.rank, *meeting.group)]
        for rank in (*attempt.endings, *attempt.sites, *attempt.output, *met):
            if not 0 <= rank < world_size:
                raise ValueError(f"{where}: there is no rank {rank}")
        for meeting in attempt.meetings:
            if not -_MOST < meeting.task < _MOST or not 0 <= meeting.n <= len(attempt.events):
                raise ValueError(f"{where}: a collective of task {meeting.task} after {meeting.n} operations")
    if trace.verdict is not None and trace.verdict.rank is not None and not 0 <= trace.verdict.rank < world_size:
        raise ValueError(f"verdict: there is no rank {trace.verdict.rank}")
    explanation = msgspec.convert(trace.explanation, _Explanation | None)
    other_order = None if explanation is None else explanation.other_order
    for address in (*trace.tape, *(other_order or ())):
        if not all(-_MOST < each < _MOST for each in address if isinstance(each, int)) or address[-1] < 0:
            raise ValueError(f"tape: {list(address)} is no choice")
    for place in () if explanation is None else (explanation.first, explanation.second):
        if place is not None and not (
            0 <= place.attempt < len(trace.attempts) and 0 <= place.position < len(trace.attempts[place.attempt].events)
        ):
            raise ValueError(f"explanation: there is no step {place.position} in attempt {place.attempt}")


_MOST = 2**31
"""Tasks and their operations are counted in less."""


class _Place(msgspec.Struct, frozen=True):
    position: int
    attempt: int


class _Explanation(msgspec.Struct, frozen=True):
    """What all reports rely on in an explanation; there is more in it."""

    first: _Place | None = None
    second: _Place | None = None
    flipped: str = ""
    text: str = ""
    other_order: list[tuple[int, str, int, int, int]] | None = None


def escaped(value: Any) -> Any:
    r"""Names that are not UTF-8 come as lone surrogates, which JSON cannot hold: written as ``\\udcXX`` text."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list | tuple):
        return [escaped(item) for item in value]
    if isinstance(value, dict):
        return {escaped(key): escaped(item) for key, item in value.items()}
    return value
