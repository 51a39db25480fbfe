"""Tells the supervisor something by a look at a path that nobody has.

The look is a held call like any other, so it comes in order with them, and the supervisor answers it at once. Nothing
is said before the process is under its filter, nor by a process that is under none.
"""

from __future__ import annotations

import contextlib
import json
import posix
from typing import Any

PREFIX = "/\x1fckptrace/"
_LONGEST = 3500


class _Saying:
    """Whether anybody listens: from when the process is under the filter on."""

    armed = False


def armed() -> None:
    """The process is under the filter now."""
    _Saying.armed = True


def is_armed() -> bool:
    """Whether what is said is heard."""
    return _Saying.armed


def say(kind: str, **what: Any) -> None:
    """Say something of that kind, if anybody listens and it is not too long for a path."""
    text = as_path(kind, **what)
    if text is not None:
        with contextlib.suppress(OSError, ValueError):
            posix.access(text, posix.F_OK)


def as_path(kind: str, **what: Any) -> str | None:
    """The path to look at to say it; None where it would not be heard."""
    if not _Saying.armed:
        return None
    text = PREFIX + json.dumps(dict(what, kind=kind), separators=(",", ":"))
    return text if len(text) <= _LONGEST else None
