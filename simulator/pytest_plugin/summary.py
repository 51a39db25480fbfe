"""The figures of race tests: as properties of each test, which JUnit XML has, too, and in one line for all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.campaigns.result import Result


def properties_of(result: Result, trace: Path | None) -> Iterator[tuple[str, Any]]:
    """What is to be known of one test, as names and plain values."""
    yield "ckptrace_verdict", result.verdict
    yield "ckptrace_schedules", result.schedules
    yield "ckptrace_seconds", round(result.seconds, 3)
    yield "ckptrace_schedules_per_second", _rate(result.schedules, result.seconds)
    yield "ckptrace_coverage", result.coverage
    if result.classes is None:
        yield "ckptrace_seed", result.seed
    else:
        yield "ckptrace_classes", result.classes
    if result.failure is not None:
        yield "ckptrace_invariant", result.failure.invariant
        yield "ckptrace_digest", result.digest
    if trace is not None:
        yield "ckptrace_trace", str(trace)


def coverages_of(told: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """What the verdict of each test covers that found nothing, a line each."""
    for name, properties in told:
        if properties["ckptrace_verdict"] in ("clean", "certified"):
            yield f"{properties['ckptrace_verdict']:<9}  {name}  {properties['ckptrace_coverage']}"


def summary_of(told: Sequence[Mapping[str, Any]], shared: int) -> str:
    """The properties of all tests in one line; ``shared`` is the seed of those tests whose marker names none."""
    schedules = sum(each["ckptrace_schedules"] for each in told)
    seconds = sum(each["ckptrace_seconds"] for each in told)
    parts = [
        counted(len(told), "test"),
        f"{counted(schedules, 'schedule')} in {seconds:.1f} s ({counted(_rate(schedules, seconds), 'schedule')}/s)",
    ]
    certified = [each for each in told if each["ckptrace_verdict"] == "certified"]
    if certified:
        classes = sum(each["ckptrace_classes"] for each in certified)
        parts.append(f"{len(certified)} certified ({classes:,} classes)")
    seeds = {each["ckptrace_seed"] for each in told if "ckptrace_seed" in each}
    if shared in seeds:
        parts.append(f"--ckptrace-seed={shared}")
    return "checkpoint races: " + ", ".join(parts)


def counted(number: int, noun: str) -> str:
    """``1 schedule``, ``2,000 schedules``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _rate(schedules: int, seconds: float) -> int:
    return round(schedules / seconds) if seconds > 0 else 0
