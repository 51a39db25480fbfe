"""What fuzzing keeps on disk: for each scenario the tapes that covered something new, and every failure that was found.

    corpus.json                     the format
    NAME-DIGEST/tapes/              one tape a file
    NAME-DIGEST/found/              failures as they were found, by signature
    NAME-DIGEST/failures/           their traces, once minimised: for ``ckptrace replay``
    NAME-DIGEST/progress.json       how many schedules were run, in all sessions

Each file is written whole or not at all and never changed but by a whole new one, and a failure is written before
anybody is told of it. So a process that is killed at any moment leaves a corpus that loads and holds all that was told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from simulator.campaigns.fuzzing.proposal import Broken, Row
from simulator.errors import UsageError
from simulator.scenario import Scenario
from simulator.trace import Trace, save
from simulator.writing import write_whole

FORMAT = 1
_MARK = "corpus.json"


class Format(msgspec.Struct, frozen=True):
    """What ``corpus.json`` says."""

    format: int


class Kept(msgspec.Struct, frozen=True):
    """A tape that covered something new: which schedule of its scenario it was, and what made it."""

    schedule: int
    arm: str
    tape: list[Row]


class Found(msgspec.Struct, frozen=True):
    """A failure, by the tape that it was found with.

    Once it is minimised and explained, ``code`` is the digest of the code under test that this was done with, and
    ``disk`` what a real disk said of it (``outcome`` in a word, ``filesystem`` its type). ``known`` are the
    signatures that were set aside when it was found.
    """

    schedule: int
    arm: str
    broken: Broken
    tape: list[Row]
    code: str | None = None
    outcome: str | None = None
    disk: str | None = None
    filesystem: str | None = None
    known: list[str] = []

    @property
    def name(self) -> str:
        """A name for files: the invariant, and a digest of the signature."""
        signature = blake2b(self.broken.signature.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
        return f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', self.broken.invariant)}-{signature}"


class Progress(msgspec.Struct, frozen=True):
    """How far fuzzing of a scenario has come, over all sessions."""

    schedules: int = 0
    proposed: int = 0
    seconds: float = 0.0


_Kind = TypeVar("_Kind")


class Shelf:
    """The part of a corpus that belongs to one scenario. Directories are made when something is kept."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def tapes(self) -> list[Kept]:
        """The tapes, in the order in which they were found."""
        return [_read(path, Kept) for path in _files(self.directory / "tapes")]

    def found(self) -> list[Found]:
        """The failures, in the order of their names."""
        return [_read(path, Found) for path in _files(self.directory / "found")]

    def progress(self) -> Progress:
        """How far it has come."""
        path = self.directory / "progress.json"
        return _read(path, Progress) if path.exists() else Progress()

    def keep_tape(self, kept: Kept) -> None:
        """Write a tape."""
        data = msgspec.json.encode(kept)
        name = f"{kept.schedule:08d}-{blake2b(data, digest_size=4).hexdigest()}.json"
        write_whole(self.directory / "tapes" / name, data)

    def keep_found(self, found: Found) -> None:
        """Write a failure, in place of what was known of the same one."""
        write_whole(self.directory / "found" / f"{found.name}.json", msgspec.json.encode(_told(found)))

    def keep_trace(self, found: Found, trace: Trace) -> None:
        """Write the trace of a failure."""
        save(trace, self.trace_of(found))

    def trace_of(self, found: Found) -> Path:
        """Where the trace of a failure is, once there is one."""
        return self.directory / "failures" / f"{found.name}.json"

    def keep_progress(self, progress: Progress) -> None:
        """Write how far it has come."""
        write_whole(self.directory / "progress.json", msgspec.json.encode(progress))


def open_corpus(directory: Path) -> Path:
    """A directory that is a corpus, made one if it is empty or absent.

    Raises UsageError, naming the path, for one that cannot be written, is something else, or of a newer version.
    """
    mark = directory / _MARK
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory}: Not a directory")
    if mark.exists():
        version = _read(mark, Format).format
        if version > FORMAT:
            raise UsageError(
                f"{directory}: a corpus that a newer ckptrace wrote (format {version}, this one reads up to {FORMAT})"
            )
    elif directory.is_dir() and any(not path.name.startswith(".") for path in directory.iterdir()):
        raise UsageError(f"{directory}: neither empty nor a corpus (it has no {_MARK})")
    # Written anew each time: it shows whether anything can be kept here, before anything is found.
    write_whole(mark, msgspec.json.encode(Format(FORMAT)))
    return directory


def shelf_of(corpus: Path, name: str, scenario: Scenario) -> Shelf:
    """Where a scenario's part is: it goes by what the scenario says, wherever its files lie, and however it is called.

    What the scenario leaves at its default does not count, so that a version with further keys finds it again.
    """
    said = _apart_from(msgspec.to_builtins(Scenario()), msgspec.to_builtins(scenario.with_files(_bare)))
    digest = blake2b(msgspec.json.encode(said, order="deterministic"), digest_size=4).hexdigest()
    for known in sorted(corpus.glob(f"*-{digest}")):
        return Shelf(known)
    return Shelf(corpus / f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', name).strip('-.') or 'scenario'}-{digest}")


def _bare(file: str) -> str:
    return Path(file).name


def _apart_from(usual: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        other = usual.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            value, other = _apart_from(other, value), {}
        if value != other:
            found[key] = value
    return found


def _files(directory: Path) -> Iterator[Path]:
    """The files that were kept; what a killed process has left half-written has a name with a dot."""
    if directory.is_dir():
        yield from sorted(path for path in directory.glob("*.json") if not path.name.startswith("."))


def _read(path: Path, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: no whole file of a corpus ({error}); delete it to go on without") from error


def _told(found: Found) -> Found:
    """With names that are not UTF-8 spelled out: they are lone surrogates, which JSON cannot hold."""
    broken = found.broken
    message, signature = (
        text.encode("utf-8", "backslashreplace").decode() for text in (broken.message, broken.signature)
    )
    if (message, signature) == (broken.message, broken.signature):
        return found
    return msgspec.structs.replace(found, broken=msgspec.structs.replace(broken, message=message, signature=signature))
