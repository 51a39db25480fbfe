"""What fuzzing found as one JSON object: the fields of any other search over all scenarios, and one each below them."""

from __future__ import annotations

from typing import Any

from simulator.campaigns.fuzzing.corpus import Found
from simulator.campaigns.fuzzing.outcome import FuzzedFailure, FuzzedScenario, FuzzResult
from simulator.campaigns.replay.confirming import Confirmation
from simulator.campaigns.result import Failure, Result
from simulator.reports.result_object import result_object
from simulator.reports.setting import counted
from simulator.trace import load


def fuzz_object(result: FuzzResult) -> dict[str, Any]:
    """Plain data. ``scenarios`` are the scenarios, each with its ``failures``; ``failure`` is the first of them all.

    ``scenario`` is null where there are several. See REFERENCE.md for the other fields.
    """
    scenarios = [_scenario(each) for each in result.scenarios]
    failures = [failure for scenario in scenarios for failure in scenario["failures"]]
    alone = scenarios[0] if len(scenarios) == 1 else None
    first = result.scenarios[0].result
    total = Result(
        verdict=result.verdict,
        schedules=sum(each.result.schedules for each in result.scenarios),
        seconds=result.seconds,
        seed=result.seed,
        scenario=first.scenario,
        states=sum(each.result.states for each in result.scenarios),
        operations=sum(each.result.operations for each in result.scenarios),
        coverage=coverage(result),
    )
    table = result_object(total)
    table["scenario"] = alone["scenario"] if alone is not None else None
    table["digest"] = alone["digest"] if alone is not None else None
    table["reason"] = "; ".join(f"{each.name}: {each.result.reason}" for each in result.scenarios if each.result.reason)
    table["reason"] = (table["reason"] or None) if result.verdict == "incomplete" else None
    table["failure"] = failures[0] if failures else None
    table["failures"] = failures
    table["invariant"] = failures[0]["invariant"] if failures else None
    if failures and alone is None:
        table["digest"] = next(each["digest"] for each in scenarios if each["failures"])
    table["pairs"] = sum(each.pairs for each in result.scenarios)
    table["ended"] = result.ended
    table["corpus"] = str(result.corpus)
    table["scenarios"] = scenarios
    return table


def coverage(result: FuzzResult) -> str:
    """What was covered over all scenarios, in words."""
    count = len(result.scenarios)
    schedules = sum(each.result.schedules for each in result.scenarios)
    if count == 1:
        return result.scenarios[0].result.coverage
    pairs = sum(each.pairs for each in result.scenarios)
    ran = f"{count:,} scenarios, {counted(schedules, 'schedule')}"
    return f"fuzzed: {ran}, {pairs:,} ordered pairs of conflicting operations"


def _scenario(fuzzed: FuzzedScenario) -> dict[str, Any]:
    table = result_object(fuzzed.result)
    failures = [_failure(fuzzed.result, each) for each in fuzzed.failures]
    return {
        **table,
        "name": fuzzed.name,
        "invariant": failures[0]["invariant"] if failures else None,
        "failure": failures[0] if failures else None,
        "failures": failures,
        "repaired": [_found(each) for each in fuzzed.repaired],
        "pairs": fuzzed.pairs,
        "tapes": fuzzed.tapes,
        "rerun": fuzzed.rerun,
        "earlier": fuzzed.earlier,
    }


def _failure(result: Result, fuzzed: FuzzedFailure) -> dict[str, Any]:
    found = fuzzed.found
    table = _found(found)
    if fuzzed.trace is not None:
        trace = load(fuzzed.trace)
        verdict = trace.verdict
        assert verdict is not None, "the trace of a failure has no verdict"
        failure = Failure(verdict.invariant, verdict.rank, verdict.message, verdict.signature, trace)
        said = Confirmation(found.outcome, found.disk or "", found.filesystem) if found.outcome is not None else None
        result = Result(result.verdict, 0, 0.0, 0, {}, failure=failure)
        table = result_object(result, [fuzzed.trace], [said])["failure"]
        table["schedule"] = found.schedule
    return {**table, "known": fuzzed.known, "arm": found.arm}


def _found(found: Found) -> dict[str, Any]:
    """A failure that was not minimised: of the fields of one that was, those that are known."""
    broken = found.broken
    return {
        "invariant": broken.invariant,
        "rank": broken.rank,
        "error": broken.message,
        "site": None,
        "output": {},
        "signature": broken.signature,
        "schedule": found.schedule,
        "explanation": None,
        "confirmation": None,
        "filesystem": None,
        "trace": None,
    }
