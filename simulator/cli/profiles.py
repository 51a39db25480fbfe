"""``ckptrace profiles``: which file systems there are, and what can be set of each."""

from __future__ import annotations

import textwrap
from typing import Any

from simulator.cli.options import Json


def profiles(json: Json = None) -> int:
    """List the file systems that a job can be put on."""
    from simulator.cli.output import check_file, write_json
    from simulator.filesystems.profiles import about, names, options_of_profile
    from simulator.reports.terminal import console_for

    check_file(json)
    known: list[dict[str, Any]] = [
        {"name": name, "summary": about(name), "options": options_of_profile(name)} for name in names()
    ]
    if json is not None:
        write_json({"profiles": known}, json)
    if json == "-":
        return 0
    console = console_for()
    indent = " " * (max(len(each["name"]) for each in known) + 2)
    width = max(console.width - len(indent), 20)
    for each in known:
        given = ", ".join(f"{key}={_spelled(default)}" for key, default in each["options"].items())
        lines = textwrap.wrap(each["summary"], width) + (textwrap.wrap(f"options: {given}", width) if given else [])
        for number, line in enumerate(lines):
            console.print(f"{each['name']:<{len(indent)}}{line}" if number == 0 else indent + line, markup=False)
    return 0


def _spelled(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) or default is None else str(default)
