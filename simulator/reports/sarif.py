"""What became of a suite as SARIF 2.1.0 (OASIS, 2020), which code hosts and editors show beside the code.

A violated invariant is a result of the rule of that name, at the line where the operation failed or the first of the
deciding pair was made; its other lines are related locations. ``partialFingerprints`` holds the failure's signature, so
that a host knows it again. A case that could not be run is no result but a notification, and the run no success.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from simulator.invariants.violation import NAMES
from simulator.reports.github import marked
from simulator.reports.result_object import version
from simulator.reports.suite_object import Reported
from simulator.trace import escaped
from simulator.writing import visible

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(reported: Sequence[Reported], workspace: Path) -> dict[str, Any]:
    """One log of one run; paths are relative to ``workspace``."""
    failed = [each for each in reported if each.outcome.status == "failed"]
    errors = [each for each in reported if each.outcome.status == "error"]
    rules = sorted({_rule(each) for each in failed})
    run = {
        "tool": {
            "driver": {
                "name": "ckptrace",
                "semanticVersion": version(),
                "rules": [{"id": rule, "shortDescription": {"text": _said_of(rule)}} for rule in rules],
            }
        },
        "results": [_result(each, rules, workspace) for each in failed],
        "invocations": [
            {
                "executionSuccessful": not errors,
                "toolExecutionNotifications": [
                    {
                        "level": "error",
                        "message": {"text": visible(each.outcome.said)},
                        "locations": [_location(*place) for place in marked(each, workspace)],
                    }
                    for each in errors
                ],
            }
        ],
        "columnKind": "unicodeCodePoints",
    }
    log: dict[str, Any] = escaped({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})
    return log


def _rule(each: Reported) -> str:
    failure = None if each.outcome.result is None else each.outcome.result.failure
    return "expectation" if failure is None or each.outcome.missed is not None else failure.invariant


def _said_of(rule: str) -> str:
    if rule == "expectation":
        return "A known bug is not found as its scenario says."
    return f"The invariant {rule} of a checkpoint protocol is violated." if rule in NAMES else f"{rule} does not hold."


def _result(each: Reported, rules: Sequence[str], workspace: Path) -> dict[str, Any]:
    places = marked(each, workspace)
    first, *others = places
    result = None if each.outcome.result is None else each.outcome.result
    rule = _rule(each)
    found: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": list(rules).index(rule),
        "level": "error",
        "message": {"text": visible(f"{each.outcome.said}\n{places[first]}")},
        "locations": [_location(*first)],
        "relatedLocations": [{**_location(*place), "message": {"text": visible(places[place])}} for place in others],
    }
    if result is not None and result.failure is not None:
        found["partialFingerprints"] = {"ckptraceSignature/v1": visible(result.failure.signature)}
    if each.trace is not None:
        found["properties"] = {"trace": str(each.trace)}
    return found


def _location(file: str, line: int) -> dict[str, Any]:
    uri = quote(escaped(file), safe="/") if not Path(file).is_absolute() else Path(escaped(file)).as_uri()
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": max(line, 1)}}}
