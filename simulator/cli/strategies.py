"""``ckptrace strategies``: what there is to test."""

from __future__ import annotations

from typing import Any

from simulator.cli.options import Json


def strategies(json: Json = None) -> int:
    """List the checkpoint strategies that are installed."""
    from simulator import registry
    from simulator.cli.output import check_file, write_json
    from simulator.reports.terminal import console_for

    check_file(json)
    known = [_described(name, registry.strategy_class(name)) for name in registry.names()]
    if json is not None:
        write_json({"strategies": known}, json)
    if json != "-":
        import textwrap

        console = console_for()
        width = max((len(each["name"]) for each in known), default=0) + 2
        for each in known:
            said = each["summary"] + (f" Options: {', '.join(each['options'])}." if each["options"] else "")
            for line in textwrap.wrap(
                said,
                console.width,
                initial_indent=f"{each['name']:<{width}}",
                subsequent_indent=" " * width,
                break_on_hyphens=False,
            ) or [each["name"]]:
                console.print(line)
    return 0


def _described(name: str, strategy: type[Any]) -> dict[str, Any]:
    import inspect
    import sys

    module = sys.modules.get(strategy.__module__)
    documented = strategy.__doc__ or getattr(module, "__doc__", None) or ""
    parameters = inspect.signature(strategy).parameters.values()
    options = {
        parameter.name: None if parameter.default is parameter.empty else parameter.default for parameter in parameters
    }
    return {"name": name, "summary": documented.strip().split("\n\n")[0].replace("\n", " "), "options": options}
