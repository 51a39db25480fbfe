"""The comparison as one JSON object."""

from __future__ import annotations

from typing import Any

import msgspec

from simulator.campaigns.comparison.outcome import Compared, Comparison, Finding, Measured
from simulator.costs.intervals import DALY, GOODPUT, SOURCES, SYMBOLS, YOUNG
from simulator.reports.comparison.wording import answer
from simulator.reports.result_object import version


def comparison_object(comparison: Comparison) -> dict[str, Any]:
    """Plain data: the job, what each strategy survives, what it costs; sizes in bytes, times in seconds."""
    request = comparison.request
    return {
        "version": version(),
        "seconds": comparison.seconds,
        "seed": request.seed,
        "request": msgspec.to_builtins(request),
        "answer": answer(comparison),
        "interrupted": comparison.interrupted,
        "formulas": {"young": YOUNG, "daly": DALY, "goodput": GOODPUT, "symbols": SYMBOLS, "sources": list(SOURCES)},
        "situations": [
            {"name": situation.name, "meaning": situation.meaning, "invariants": list(situation.invariants)}
            for situation in request.judged_in()
        ],
        "strategies": [_strategy(each, comparison) for each in comparison.ranked()],
    }


def _strategy(each: Compared, comparison: Comparison) -> dict[str, Any]:
    return {
        "strategy": each.candidate.name,
        "options": dict(each.candidate.options),
        "title": each.candidate.title,
        "violated": each.violated,
        "verdicts": {situation.name: each.verdict(situation.name) for situation in comparison.request.judged_in()},
        "cells": msgspec.to_builtins(each.cells),
        "small_scale": each.small,
        "findings": [_finding(finding) for finding in each.findings],
        "real_shape": _measured(each.measured),
        "seconds": each.seconds,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    failure, confirmation = finding.failure, finding.confirmation
    return {
        "situation": finding.situation,
        "invariant": failure.invariant,
        "rank": failure.rank,
        "error": failure.error,
        "signature": failure.signature,
        "digest": failure.trace.digest,
        "trace": finding.path,
        "confirmation": None if confirmation is None else confirmation.outcome,
        "filesystem": None if confirmation is None else confirmation.filesystem,
    }


def _measured(measured: Measured) -> dict[str, Any]:
    run = measured.run
    return {
        "verdict": "violated" if measured.violations else run.verdict,
        "schedules": measured.schedules,
        "violations": measured.violations,
        "judged": run.judged,
        "left": run.left,
        "raised": run.raised,
        "warnings": run.warnings,
        "operations": run.operations,
        "wall_seconds": run.wall_seconds,
        "saves": msgspec.to_builtins(run.saves),
        "resumed": None if run.resumed is None else msgspec.to_builtins(run.resumed),
        "exposed": run.exposed,
        "synced": None if run.synced is None else msgspec.to_builtins(run.synced),
        "storage_peak": run.storage_peak,
        "host_memory": run.host_memory,
        "economy": None if measured.economy is None else msgspec.to_builtins(measured.economy),
        "nodes": msgspec.to_builtins(run.nodes),
        "ranks": msgspec.to_builtins(run.usage),
    }
