"""Fixtures that all ranks and schedules of a test share, although a rank is likely to write to them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

_WRITABLE = frozenset(
    {
        "caplog", "capfd", "capfdbinary", "capsys", "capsysbinary", "monkeypatch", "record_property",
        "record_testsuite_property", "record_xml_attribute", "recwarn",
    }
)  # fmt: skip
"""Fixtures of pytest's that are there to be written to, besides those that are paths."""


def warnings_about(arguments: Mapping[str, Any], parameters: Collection[str]) -> Iterator[str]:
    """A warning for each fixture among the arguments that is writable; ``parameters`` are no fixtures."""
    for name, value in arguments.items():
        if name in parameters or name == "rank":
            continue
        if _is_path(value):
            yield (
                f"the fixture {name!r} is a real path, set up once for the whole test: ranks may read there, but what "
                "they write belongs below rank.root, which is fresh in each schedule"
            )
        elif name in _WRITABLE:
            yield (
                f"the fixture {name!r} is set up once for the whole test: what a rank does with it is still there for "
                "all other ranks and schedules"
            )


def _is_path(value: Any) -> bool:
    if isinstance(value, os.PathLike):
        return True
    return isinstance(value, str) and os.path.isabs(value) and os.path.exists(value)
