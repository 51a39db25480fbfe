"""``ckptrace schema``: what the files are made of, as JSON Schema."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from simulator.errors import UsageError


def schema(
    what: Annotated[
        str,
        typer.Argument(metavar="trace|scenario|result|ci", help="result: what --json gives; ci: that of ckptrace ci."),
    ],
) -> int:
    """Print the JSON Schema (2020-12) of a trace, a scenario file, or what --json gives."""
    import sys

    import msgspec

    from simulator.reports.result_object import ResultDocument
    from simulator.reports.suite_object import SuiteDocument
    from simulator.scenario import Scenario
    from simulator.trace import Trace

    documents: dict[str, Any] = {"trace": Trace, "scenario": Scenario, "result": ResultDocument, "ci": SuiteDocument}
    if what not in documents:
        raise UsageError(f"schema: must be one of {', '.join(documents)}, is {what!r}")
    table = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(documents[what])}
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(table), indent=2).decode() + "\n")
    return 0
