"""Mutations of plain data and of files: what a hostile or damaged trace or scenario may hold."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

CONTROLS = "\x00\x07\x1b[31m\x7f\x9b\r\n\u202e"
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63 - 1,
    2**63,
    -(2**63),
    10**9,
    10**30,
    0.5,
    -0.0,
    1e308,
    5e-324,
    "",
    "x" * 5_000,
    CONTROLS,
    "\ud800",
    "\\udc80",
    "nul\x00",
    "../../../etc/passwd",
    "/dev/null/ckptrace/x",
    "fd3",
    "fd99999999999999999999",
    "fd" + "٣",
    "5 bytes",
    "99999999999999999999 bytes sparse",
    "`|<b>&\"'",
    "{step}",
    "{0.__class__}",
    "[", "(a+)+$", "*" * 200,
    [],
    {},
    [[]],
    [0, "x", None],
    {"": None},
    {"nodes": 2},
)  # fmt: skip
HUGE = "<huge>"
"""Becomes an integer of 5,000 digits, which Python writes only when told to."""
DEEP = "<deep>"
KINDS = (
    "open", "close", "read", "write", "seek", "dup", "truncate", "fsync", "stat", "access", "readdir", "mkdir", "rmdir",
    "unlink", "rename", "link", "symlink", "mkfifo", "readlink", "chmod", "chown", "utime", "lock", "statvfs", "sleep",
    "collective", "join", "exec", "", "target", "printable", "__class__", "schedule", "kill", "lost", "power", "end",
)  # fmt: skip


def mutated(table: Any, random: Random) -> Any:
    """A copy of plain data with one to four mutations."""
    table = copy.deepcopy(table)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        _mutate(table, random)
    return table


def as_json(table: Any) -> bytes:
    """JSON of mutated data."""
    text = json.dumps(table)
    return _grown(text).encode("utf-8", "surrogatepass")


def as_toml(table: dict[str, Any]) -> bytes:
    """TOML of mutated data, each key in one line."""
    lines = [f"{json.dumps(str(key))} = {_toml(value)}\n" for key, value in table.items() if value is not None]
    return _grown("".join(lines)).encode("utf-8", "surrogatepass")


def damaged(data: bytes, random: Random) -> bytes:
    """A file of which bytes are lost, changed, repeated or added."""
    if not data:
        return b"\xff"
    at, length = random.randrange(len(data)), random.choice((1, 2, 8, 100))
    return random.choice(
        (
            lambda: data[:at],
            lambda: data[at:],
            lambda: data[:at] + data[at + length :],
            lambda: data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :],
            lambda: data[:at] + random.randbytes(length) + data[at:],
            lambda: data[:at] + data[at : at + length] * 3 + data[at + length :],
            lambda: data[:at] + b"[" * 100_000,
            lambda: b"\xef\xbb\xbf" + data,
            lambda: data.replace(b"\n", b"\r\n"),
            lambda: data.replace(b"1", b"9" * 5_000, 1),
            lambda: b"\x00" * length,
            lambda: data + data,
            lambda: b"",
        )
    )()


def _grown(text: str) -> str:
    deep = 20_000
    return text.replace(f'"{HUGE}"', "9" * 5_000).replace(f'"{DEEP}"', "[" * deep + "]" * deep)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(k))} = {_toml(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value if item is not None) + "]"
    if value is None:
        return '""'
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii="\x7f" in value or (bool(value) and not value.isprintable()))
    return json.dumps(value)


def _mutate(table: Any, random: Random) -> None:
    """One mutation in place."""
    container = random.choice(list(_containers(table)))
    keys = list(container) if isinstance(container, dict) else list(range(len(container)))
    if not keys:
        if isinstance(container, list):
            container.append(random.choice(VALUES))
        else:
            container["unknown"] = random.choice(VALUES)
        return
    key = random.choice(keys)
    value = container[key]
    which = random.randrange(12)
    if which <= 2:
        container[key] = _like(value, random)
    elif which == 3:
        container[key] = copy.deepcopy(random.choice(VALUES))
    elif which == 4:
        del container[key]
    elif which == 5:
        container[key] = random.choice((HUGE, DEEP))
    elif which == 6 and isinstance(container, list):
        container.insert(random.randrange(len(container) + 1), copy.deepcopy(random.choice(container)))
    elif which == 7:
        other = random.choice(keys)
        container[key], container[other] = container[other], container[key]
    elif which == 8 and isinstance(container, list):
        container[:] = container[: random.randrange(len(container) + 1)]
    elif which == 9:
        elsewhere = random.choice(list(_containers(table)))
        container[key] = copy.deepcopy(elsewhere)
    elif which == 10 and isinstance(container, dict):
        container[random.choice(("unknown", "", CONTROLS, "__class__", "kind", "errors"))] = _like(value, random)
    elif isinstance(value, str):
        container[key] = random.choice(KINDS)
    else:
        container[key] = _like(value, random)


def _like(value: Any, random: Random) -> Any:
    """Another value of the same type, mostly near."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return random.choice((value + 1, value - 1, -value, value * 1_000, 10**9, 2**40, 2**62, 0))
    if isinstance(value, float):
        return random.choice((-value, value * 1e9, 1e308, 1e-308, 0.0))
    if isinstance(value, str):
        at = random.randrange(len(value) + 1)
        added = random.choice((CONTROLS, "\ud800", "/", "..", "\x00", "é", "|`", "9" * 30, "{", ":"))
        return random.choice((value[:at], value[:at] + added + value[at:], value * 100, value.upper()))
    return copy.deepcopy(random.choice(VALUES))


def _containers(table: Any) -> list[Any]:
    found, rest = [], [table]
    while rest:
        each = rest.pop()
        if isinstance(each, dict | list):
            found.append(each)
            rest.extend(each.values() if isinstance(each, dict) else each)
    return found
