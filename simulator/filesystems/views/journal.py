"""How to undo what layers over the POSIX model have done, as the model's own log does for the model."""

from __future__ import annotations

from typing import Any, Final

from simulator.filesystems.posix.tree import Undo, undo

_MISSING: Final = object()


class Journal:
    """``log`` is None while no mark is set; else each step leaves in it how to undo it."""

    __slots__ = ("log",)

    def __init__(self) -> None:
        self.log: list[Undo] | None = None

    def put(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        """Set one entry of a table."""
        if self.log is not None:
            self.log.append((_restore_entry, table, key, table.get(key, _MISSING)))
        table[key] = value

    def drop(self, table: dict[Any, Any], key: Any) -> None:
        """Remove one entry of a table, if it is there."""
        if key in table:
            if self.log is not None:
                self.log.append((_restore_entry, table, key, table[key]))
            del table[key]

    def set(self, owner: Any, field: str, value: Any) -> None:
        """Set a field of an object."""
        if self.log is not None:
            self.log.append((setattr, owner, field, getattr(owner, field)))
        setattr(owner, field, value)

    def undo(self, length: int) -> None:
        """Undo the latest steps until ``length`` are left."""
        assert self.log is not None
        undo(self.log, length)


def _restore_entry(table: dict[Any, Any], key: Any, value: Any) -> None:
    if value is _MISSING:
        table.pop(key, None)
    else:
        table[key] = value
