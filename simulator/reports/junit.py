"""What became of a suite as JUnit XML, as CI servers read it.

There is no standard, only what readers agree on: the elements and attributes here are those of the schema that the
Jenkins plugin publishes, which pytest's own reports follow as well.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from xml.etree import ElementTree

from simulator.reports.from_python import as_text
from simulator.reports.suite_object import Reported

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, section 2.2: most control characters, surrogates."""


def junit(reported: Sequence[Reported], seed: int) -> bytes:
    """One suite for the replayed failures and one for the searched scenarios, each case with its properties."""
    root = ElementTree.Element("testsuites", _counts(reported, name="ckptrace"))
    for kind in ("regression", "scenario"):
        some = [each for each in reported if each.case.kind == kind]
        if some:
            suite = ElementTree.SubElement(root, "testsuite", _counts(some, name=f"ckptrace.{kind}s"))
            suite.extend(_case(each, seed) for each in some)
    ElementTree.indent(root)
    encoded: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return encoded + b"\n"


def _counts(reported: Sequence[Reported], *, name: str) -> dict[str, str]:
    statuses = [each.outcome.status for each in reported]
    return {
        "name": name,
        "tests": str(len(statuses)),
        "failures": str(statuses.count("failed")),
        "errors": str(statuses.count("error")),
        "skipped": "0",
        "time": f"{sum(each.outcome.seconds for each in reported):.3f}",
    }


def _case(each: Reported, seed: int) -> ElementTree.Element:
    outcome, path = each.outcome, str(each.case.path)
    case = ElementTree.Element(
        "testcase",
        {"classname": f"ckptrace.{each.case.kind}", "name": _plain(path), "time": f"{outcome.seconds:.3f}"},
    )
    properties = ElementTree.SubElement(case, "properties")
    for name, value in _properties(each, seed).items():
        ElementTree.SubElement(properties, "property", {"name": name, "value": _plain(str(value))})
    if outcome.status != "passed":
        result = outcome.result
        failure = None if result is None else result.failure
        kind = type(outcome.error).__name__ if outcome.error is not None else failure and failure.invariant
        tag = "failure" if outcome.status == "failed" else "error"
        found = ElementTree.SubElement(case, tag, {"message": _plain(outcome.said), "type": kind or "expectation"})
        found.text = _plain(_text(each))
    return case


def _properties(each: Reported, seed: int) -> dict[str, object]:
    result = each.outcome.result
    if result is None:
        return {"seed": seed}
    properties: dict[str, object] = {"seed": seed, "verdict": result.verdict, "schedules": result.schedules}
    if result.coverage:
        properties["coverage"] = result.coverage
    if result.seconds > 0:
        properties["schedules_per_second"] = round(result.schedules / result.seconds, 1)
    if each.trace is not None:
        properties["trace"] = each.trace
    return properties


def _text(each: Reported) -> str:
    result = each.outcome.result
    if result is None or result.failure is None:
        return each.outcome.said
    lines = [each.outcome.said, "", as_text(result).rstrip(), ""]
    if each.outcome.confirmation is not None:
        lines.append(f"disk    {each.outcome.confirmation.text}")
    if each.trace is not None:
        lines.append(f"replay  ckptrace replay {shlex.quote(str(each.trace))}")
    return "\n".join(lines)


def _plain(text: str) -> str:
    return _NOT_IN_XML.sub("�", text)
