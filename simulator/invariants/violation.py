"""A violated invariant: its name, what happened, and a signature by which equal failures are recognised."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from simulator.engines.strikes import Outage

NAMES = ("no-error", "no-hang", "complete", "content", "progress", "keep", "agree", "no-leak")
"""The built-in invariants, as they are named everywhere."""

_RANDOM_SUFFIX = re.compile(r"(?<=[-.])(?:[a-z0-9_]{8}|tmp[A-Za-z0-9]{6})(?![A-Za-z0-9_])")
_DIGITS = re.compile(r"0x[0-9a-f]+|\d+")
"""Addresses of objects, too, which an assertion's message may have."""
_Check = TypeVar("_Check", bound=Callable[..., Any])


class Violation(msgspec.Struct, frozen=True):
    """``message`` is for people; ``signature`` is the message without numbers and random names.

    Two failures with the same signature are one finding: minimising keeps it, fuzzing counts it once. ``outage`` is the
    power loss that it rests on, where the instant was judged as if the power failed there.
    """

    invariant: str
    message: str
    rank: int | None = None
    outage: Outage | None = None

    @property
    def signature(self) -> str:
        """Equal for failures that differ only in steps, ranks and random names."""
        return f"{self.invariant}: " + _DIGITS.sub("#", _RANDOM_SUFFIX.sub("*", self.message))


def at_end(check: _Check) -> _Check:
    """Mark a user's invariant as one that is judged at the end of each attempt only, not at every instant."""
    check.judged_at_end = True  # type: ignore[attr-defined]
    return check


def words_of(check: Callable[..., Any], answer: Any) -> str | None:
    """What a user's invariant has answered, in words; None where it holds.

    Some answer True for a violation and False for none: what its docstring says is then what is violated.
    """
    if answer is None or answer is False:
        return None
    if answer is not True:
        return str(answer)
    text = " ".join((check.__doc__ or "").split("\n\n")[0].split())
    return text or f"{getattr(check, '__name__', 'invariant')} does not hold"


def text_of(error: BaseException, root: str) -> str:
    """An exception in one line, with paths relative to the root."""
    text = f"{type(error).__name__}: {error}".replace(root + "/", "").replace(root, ".")
    return text.splitlines()[0] if text else type(error).__name__
