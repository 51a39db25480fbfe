"""A manifest: the file that makes a directory a checkpoint, with the size and the checksum of every file of it."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict, cast

from strategies.durable.files import sync
from strategies.durable.names import checkpoints, directories

if TYPE_CHECKING:
    from simulator.state import State, StrategyRank

NAME = "manifest.json"


class Entry(TypedDict):
    """A file: size in bytes, checksum of its content, and where it lies if not under its own name."""

    size: int
    checksum: str
    path: NotRequired[str]
    """Relative to the manifest's directory; may lead out of it."""


class Manifest(TypedDict):
    """What a checkpoint consists of; ``files`` is keyed by the shards' names."""

    step: int
    files: dict[str, Entry]


def merged(reports: list[object] | None) -> dict[str, Entry]:
    """The files of all ranks, from what each rank has reported: dictionaries of its own files' entries."""
    return {file: entry for report in reports or () for file, entry in cast("dict[str, Entry]", report).items()}


def location(directory: Path, name: str, entry: Entry) -> Path:
    """Where a file of the checkpoint ``directory`` lies."""
    return Path(os.path.normpath(directory / entry.get("path", name)))


def write(directory: Path, manifest: Manifest, fsync: bool) -> None:
    """Publish a directory: the manifest appears whole, in one rename, and durably with ``fsync``."""
    temporary = directory / f"{NAME}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(json.dumps(manifest, indent=1))
    if fsync:
        sync(temporary)
    os.replace(temporary, directory / NAME)
    if fsync:
        sync(directory)


def read(directory: Path) -> Manifest | None:
    """The manifest of a directory, or None where there is none or a torn one. Raises OSError if it cannot be read.

    Whether there is one is told by a listing: an existence test may be answered from a cache, and takes any error for
    absence, after which a good checkpoint would count as garbage.
    """
    if NAME not in os.listdir(directory):
        return None
    try:
        manifest = json.loads((directory / NAME).read_bytes())
    except ValueError:
        return None
    if not isinstance(manifest, dict) or "step" not in manifest or not isinstance(manifest.get("files"), dict):
        return None
    return Manifest(step=manifest["step"], files=manifest["files"])


def withdraw(directory: Path, fsync: bool) -> None:
    """Make a checkpoint a mere directory again, durably with ``fsync``, before the first file of it is deleted."""
    os.unlink(directory / NAME)
    if fsync:
        sync(directory)


def published(root: Path, names: Collection[str]) -> dict[str, Manifest]:
    """Those directories in ``root``, by name, that are checkpoints with a manifest, oldest first."""
    found = {name: read(root / name) for name in checkpoints(names)}
    return {name: manifest for name, manifest in found.items() if manifest is not None}


def newest_intact(root: Path) -> str | None:
    """The newest checkpoint of which every file is there and has the size that its manifest says."""
    for name in reversed(checkpoints(directories(root))):
        manifest = read(root / name)
        if manifest is not None and is_intact(root / name, manifest):
            return name
    return None


def is_intact(directory: Path, manifest: Manifest) -> bool:
    """Whether every file that the manifest names is there and has its size."""
    return all(_has_size(location(directory, name, entry), entry) for name, entry in manifest["files"].items())


def load_verified(rank: StrategyRank, checkpoint: Path) -> State:
    """Read what this rank needs and nothing that the manifest does not vouch for.

    Of the manifest, which grows with the ranks, it decodes its own part only: else all together would need time that
    grows with their square. Raises FileNotFoundError for a manifest or a file in it that is not there, ValueError for
    a torn manifest and for a file that differs from it.
    """
    manifest = (checkpoint / NAME).read_bytes().decode()
    step = _value(manifest, 1, "step") if manifest.endswith("\n}") else None
    if not isinstance(step, int):
        raise ValueError(f"{checkpoint / NAME}: torn")
    state = rank.fresh_state(step)
    for shard in state.shards:
        entry = cast("Entry | None", _value(manifest, 2, shard.name))
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, "not in the manifest", str(checkpoint / shard.name))
        path = location(checkpoint, shard.name, entry)
        shard.load(path)
        if shard.checksum() != entry["checksum"] or not _has_size(path, entry):
            raise ValueError(f"{path}: not the content that the manifest says")
    return state


def _value(manifest: str, depth: int, key: str) -> object:
    """The value of a key that stands so deep in a manifest; None where there is none, ValueError where it is torn.

    ``write`` gives each key a line, with as many spaces before it, and no text in JSON has an end of line in it.
    """
    start = f"\n{' ' * depth}{json.dumps(key)}: "
    at = manifest.find(start)
    return None if at < 0 else json.JSONDecoder().raw_decode(manifest, at + len(start))[0]


def _has_size(path: Path, entry: Entry) -> bool:
    try:
        return os.stat(path).st_size == entry["size"]
    except FileNotFoundError:
        return False
