"""Error rules as texts of the command line."""

from __future__ import annotations

import shlex

from simulator.cli.options import pairs_of
from simulator.errors import UsageError
from simulator.faults import ErrorRule

_KEYS = ("path", "rank", "count", "probability")


def error_rule(text: str) -> ErrorRule:
    """``OPERATION ERRNO [path=REGEX] [rank=N,N] [count=N] [probability=P]``, words as in a shell.

    The errno may be ``hang``: then the call does not return. Raises UsageError, naming the option and the part.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--error: {text!r}: {error}") from error
    if len(words) < 2 or "=" in words[0] or "=" in words[1]:
        raise UsageError(f"--error: must be 'OPERATION ERRNO [KEY=VALUE ...]', is {text!r}")
    values = pairs_of(words[2:], "--error")
    for key in values:
        if key not in _KEYS:
            raise UsageError(f"--error: unknown {key!r}; there are {', '.join(_KEYS)}")
    hangs = words[1] == "hang"
    probability = _number(values, "probability", float)
    return ErrorRule(
        operation=words[0],
        errno="EIO" if hangs else words[1],
        path=values.get("path", "*"),
        count=int(_number(values, "count", int) or (1 if "count" not in values else 0)),
        regex="path" in values,
        ranks=tuple(int(_parsed("rank", part, int)) for part in values.get("rank", "").split(",") if part),
        probability=probability,
        effect="hang" if hangs else "fail",
    )


def _number(values: dict[str, str], key: str, kind: type[int] | type[float]) -> float | None:
    return _parsed(key, values[key], kind) if key in values else None


def _parsed(key: str, text: str, kind: type[int] | type[float]) -> float:
    try:
        return kind(text)
    except ValueError as error:
        raise UsageError(f"--error: {key} must be a number, is {text!r}") from error
