"""Micro-operations in words, for those who want to know what a power loss took."""

from __future__ import annotations

from collections.abc import Mapping

from simulator.filesystems.durability.history import members
from simulator.filesystems.durability.micro_operations import DataWrite, MicroOperation, NameChange, SizeChange
from simulator.filesystems.durability.model import DurableModel

_MOST = 3


def losses_in_words(model: DurableModel, lost: int) -> str:
    """What is lost, by the paths that lead there before it is: ``data of a/b, the name c``."""
    paths = {1: ""}
    for path, inode in model.walk_files():
        paths.setdefault(inode.number, path)
    said: list[str] = []
    for index in members(lost):
        record = model.records[index]
        assert isinstance(record.what, MicroOperation)
        text = f"{_in_words(record.what, paths)} (rank {record.rank})"
        if text not in said:
            said.append(text)
    if not said:
        return "nothing"
    more = f", and {len(said) - _MOST} more" if len(said) > _MOST else ""
    return ", ".join(said[:_MOST]) + more


def _in_words(what: MicroOperation, paths: Mapping[int, str]) -> str:
    if isinstance(what, NameChange):
        gone = [_place(paths, entry.directory, entry.name) for entry in what.entries if entry.after is None]
        come = [_place(paths, entry.directory, entry.name) for entry in what.entries if entry.after is not None]
        if gone and come:
            return f"the rename of {gone[0]} to {come[0]}"
        return f"the removal of {gone[0]}" if gone else f"the name {come[0]}"
    path = paths.get(what.inode, "a file without a name")
    if isinstance(what, DataWrite):
        return f"data of {path}"
    if isinstance(what, SizeChange):
        return f"the size of {path}" if what.after >= what.before else f"the truncation of {path}"
    return f"mode, owner or times of {path}"


def _place(paths: Mapping[int, str], directory: int, name: str) -> str:
    return f"{paths.get(directory, '(removed)')}/{name}".lstrip("/")
