"""What fuzzing came to, on a terminal: a line a scenario, and below the failures, each with its reason and replay."""

from __future__ import annotations

import shlex

from rich.console import Console
from rich.text import Text

from simulator.campaigns.fuzzing.outcome import FuzzedFailure, FuzzedScenario, FuzzResult
from simulator.reports.fuzz_object import coverage
from simulator.reports.reason import reason_of
from simulator.reports.setting import per_second
from simulator.trace import load

_COLOURS = {"violated": "bold red", "incomplete": "bold yellow", "clean": "bold green"}


def print_fuzzed(console: Console, result: FuzzResult) -> None:
    """The verdict over all, each scenario's, and the failures."""
    schedules = sum(each.result.schedules for each in result.scenarios)
    rate = f"{per_second(schedules, result.seconds)}, " if result.seconds > 0 else ""
    spent = f"{result.seconds:.1f} s, {rate}seed {result.seed}; {result.ended}"
    console.print(
        Text.assemble((result.verdict, _COLOURS[result.verdict]), f"  {coverage(result)}  ({spent})"), overflow="fold"
    )
    if len(result.scenarios) > 1:
        console.print()
        width = max(len(each.name) for each in result.scenarios)
        for scenario in result.scenarios:
            console.print(_line(scenario, width), soft_wrap=True)
    for scenario in result.scenarios:
        if scenario.result.reason is not None:
            console.print(f"\n{scenario.name}: {scenario.result.reason}", soft_wrap=True)
        if scenario.result.hidden is not None:
            console.print(f"\n{scenario.name}: {scenario.result.hidden}", soft_wrap=True)
        for failure in scenario.failures:
            _print_failure(console, scenario, failure)
        for found in scenario.repaired:
            console.print(f"\n{scenario.name}: no longer fails with {found.broken.message}", soft_wrap=True)


def _line(scenario: FuzzedScenario, width: int) -> Text:
    result = scenario.result
    failures = len(scenario.failures)
    said = f"{failures} failure{'s' if failures > 1 else ''}" if failures else ""
    return Text.assemble(
        f"{scenario.name:<{width}}  ",
        (f"{result.verdict:<10}", _COLOURS[result.verdict]),
        f"  {result.schedules:>9,} schedules  {scenario.pairs:>7,} pairs  {said}".rstrip(),
    )


def _print_failure(console: Console, scenario: FuzzedScenario, failure: FuzzedFailure) -> None:
    found = failure.found
    console.print()
    console.print(
        Text.assemble(f"{scenario.name}  ", (found.broken.invariant, "bold red"), f": {found.broken.message}"),
        soft_wrap=True,
    )
    since = f"schedule {found.schedule:,}" + (", found in an earlier session" if failure.known else f", {found.arm}")
    if failure.trace is None:
        console.print(f"  {since}; not minimised yet: the same command goes on from the corpus", soft_wrap=True)
        return
    for cited in reason_of(load(failure.trace)).cited:
        console.print(f"  {cited.letter}  {cited.text}", soft_wrap=True)
    console.print(f"  {since}" + (f"; {found.disk}" if found.disk else ""), soft_wrap=True)
    console.print(f"  ckptrace replay {shlex.quote(str(failure.trace))}", soft_wrap=True)
