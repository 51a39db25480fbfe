"""What happened: the canonical record of a run, and its file format.

A trace is the same for the same tape whichever engine or file system ran it: paths are relative to the root, inodes
and descriptors are numbered by first appearance, times appear as order only, and ENOTEMPTY and EEXIST of a rename
over a directory are one class (both are legal: rename(2)).
"""

from __future__ import annotations

from typing import Any

import msgspec

FORMAT_VERSION = 1


class Event(msgspec.Struct, frozen=True, gc=False):
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
    note: str | None = None
