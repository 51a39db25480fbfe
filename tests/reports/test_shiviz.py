"""Logs for ShiViz: its own regular expression reads them, and their clocks are those of the happens-before order."""

from __future__ import annotations

import json
import re

import pytest

from simulator.campaigns.replay.reenacting import reenact
from simulator.reports.shiviz import shiviz
from tests.reports.runs import RUNS

Event = tuple[str, dict[str, int], str]


def parsed(log: str) -> list[list[Event]]:
    """The events of each execution, read as ShiViz does: by the expressions in the first two lines."""
    parser, delimiter, body = log.split("\n", 2)
    executions = re.split(re.sub(r"\(\?<\w+>", "(?:", delimiter), body, flags=re.MULTILINE)
    assert executions[0].strip() == ""
    found = []
    for text in executions[1:]:
        matches = list(re.finditer(parser.replace("(?<", "(?P<"), text))
        assert sum(len(match.group().split("\n")) for match in matches) == len(text.strip().split("\n"))
        found.append([(match["host"], json.loads(match["clock"]), match["event"]) for match in matches])
    return found


@pytest.mark.parametrize("name", RUNS)
def test_clocks_are_such_as_shiviz_demands(name: str) -> None:
    trace = RUNS[name]()
    executions = parsed(shiviz(trace, reenact(trace)))
    assert [len(events) for events in executions] == [len(attempt.events) for attempt in trace.attempts]
    for events in executions:
        counts: dict[str, int] = {}
        for host, clock, text in events:
            assert text
            assert clock[host] == counts.get(host, 0) + 1, "each host's own clock grows by one"
            counts[host] = clock[host]
            assert all(0 < time <= counts.get(other, 0) for other, time in clock.items()), "nobody knows the future"


@pytest.mark.parametrize("name", RUNS)
def test_one_clock_is_below_another_exactly_where_the_step_happens_before(name: str) -> None:
    trace = RUNS[name]()
    attempts = reenact(trace)
    for again, events in zip(attempts, parsed(shiviz(trace, attempts)), strict=True):
        for later, (_, clock, _) in enumerate(events):
            for earlier, (host, own, _) in enumerate(events[:later]):
                happens_before = bool(again.order.before[later] >> earlier & 1)
                below = all(time <= clock.get(other, 0) for other, time in own.items())
                assert below == happens_before
                assert below == (own[host] <= clock.get(host, 0))


def test_background_tasks_are_hosts_of_their_own_and_attempts_executions() -> None:
    (events,) = parsed(shiviz(RUNS["background"](), reenact(RUNS["background"]())))
    assert {"rank0", "rank0.1", "rank1.1"} <= {host for host, _, _ in events}
    trace = RUNS["killed"]()
    assert len(parsed(shiviz(trace, reenact(trace)))) == 2


def test_an_event_says_what_was_done_where_and_what_came_of_it() -> None:
    trace = RUNS["race"]()
    (events,) = parsed(shiviz(trace, reenact(trace)))
    texts = [text for _, _, text in events]
    assert any(re.fullmatch(r"rename tmp-checkpoint-1 → checkpoint-1 \(\w+\.py:\d+\)", text) for text in texts)
    assert any(" ENOENT (" in text for text in texts)
