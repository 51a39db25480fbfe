"""A violated invariant: its name, what happened, and a signature by which equal failures are recognised."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

from simulator.engines.strikes import Outage


class Invariant(msgspec.Struct, frozen=True):
    """A built-in invariant: ``meaning`` is what its violation means, in one clause.

    ``restart``: whether a look at what a restart would do finds it violated, ``always`` only so, or ``never``.
    """

    name: str
    meaning: str
    restart: Literal["always", "sometimes", "never"] = "never"


BUILT_IN = (
    Invariant("no-error", "a rank raised"),
    Invariant("no-hang", "the job hangs", "sometimes"),
    Invariant("complete", "a restart would pick a checkpoint that is not whole", "always"),
    Invariant("content", "a restart would load content that is torn, or of another step", "always"),
    Invariant("progress", "a restart would fall behind a save that had returned on every rank", "always"),
    Invariant("keep", "a checkpoint that had to be kept is lost", "always"),
    Invariant("agree", "the ranks disagree about what to resume from", "sometimes"),
    Invariant("no-leak", "garbage is left that nothing will ever delete"),
)
NAMES = tuple(each.name for each in BUILT_IN)
"""The built-in invariants, as they are named everywhere."""
_UNRESUMABLE = "the restarted job fails"
_DEGRADED = "a restart resumes, but not exactly"
_OWN = "an invariant of one's own does not hold"
_BY_GRAVITY = (
    _UNRESUMABLE, "keep", "progress", "complete", "content", "agree", _OWN, "no-error", "no-hang", _DEGRADED, "no-leak",
)  # fmt: skip
"""What can be wrong, the gravest first: what is lost for good before what the next attempt repairs."""


def gravity_of(invariant: str, *, degraded: bool = False, attempt: int = 0) -> int:
    """How grave a violation is, 0 the gravest. ``attempt`` is the one that it fell in, counted from 0.

    A rank that fails or hangs in a later attempt is what the job cannot be resumed for; in the first one it has lost
    nothing yet.
    """
    if degraded:
        return _BY_GRAVITY.index(_DEGRADED)
    if attempt and invariant in ("no-error", "no-hang"):
        return _BY_GRAVITY.index(_UNRESUMABLE)
    return _BY_GRAVITY.index(invariant if invariant in NAMES else _OWN)


def meaning_of(invariant: str, *, degraded: bool = False) -> str:
    """What its violation means, in one clause."""
    if degraded:
        return "a restart would resume from a checkpoint, but not exactly"
    return next((each.meaning for each in BUILT_IN if each.name == invariant), "an invariant of your own does not hold")


_RANDOM_SUFFIX = re.compile(r"(?<=[-.])(?:[a-z0-9_]{8}|tmp[A-Za-z0-9]{6})(?![A-Za-z0-9_])")
_DIGITS = re.compile(r"0x[0-9a-f]+|\d+")
"""Addresses of objects, too, which an assertion's message may have."""
_Check = TypeVar("_Check", bound=Callable[..., Any])


class Violation(msgspec.Struct, frozen=True):
    """``message`` is for people; ``signature`` is the message without numbers and random names.

    Two failures with the same signature are one finding: minimising keeps it, fuzzing counts it once. ``outage`` is the
    power loss that it rests on, where the instant was judged as if the power failed there. ``degraded``: a restart
    still resumes, but not exactly (``keep`` only). ``summary`` is what equal failures say, where the message says more.
    """

    invariant: str
    message: str
    rank: int | None = None
    outage: Outage | None = None
    degraded: bool = False
    summary: str = ""

    @property
    def signature(self) -> str:
        """Equal for failures that differ only in steps, ranks and random names."""
        return f"{self.invariant}: " + _DIGITS.sub("#", _RANDOM_SUFFIX.sub("*", self.summary or self.message))


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
