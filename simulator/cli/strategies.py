"""``ckptrace strategies``: what there is to test."""

from __future__ import annotations

import textwrap
from typing import Any

from simulator.cli.options import Json


def strategies(json: Json = None) -> int:
    """List the checkpoint strategies that are installed."""
    from simulator import registry
    from simulator.cli.output import check_file, write_json
    from simulator.reports.terminal import console_for

    check_file(json)
    known: list[dict[str, Any]] = [
        {"name": name, "summary": registry.summary(name), "options": registry.options(name)}
        for name in registry.names()
    ]
    if json is not None:
        write_json({"strategies": known}, json)
    if json == "-":
        return 0
    console = console_for()
    indent = " " * (max((len(each["name"]) for each in known), default=0) + 2)
    for each in known:
        lines = textwrap.wrap(each["summary"], max(console.width - len(indent), 20), break_on_hyphens=False)
        lines += [f"--option {key}={_spelled(default)}" for key, default in each["options"].items()]
        for number, line in enumerate(lines or [""]):
            console.print(f"{each['name']:<{len(indent)}}{line}" if number == 0 else indent + line)
    return 0


def _spelled(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)
