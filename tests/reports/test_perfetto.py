"""Trace events: whatever the run, a viewer finds tracks, slices that do not overlap, and arrows from slice to slice."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given

from simulator.boundary import installed
from simulator.campaigns.replay.reenacting import reenact
from simulator.clock import EPOCH
from simulator.experiment import Experiment
from simulator.reports.perfetto import perfetto
from simulator.scenario import from_table
from simulator.schedulers.replay import TapeReplay
from simulator.trace import Trace
from tests.reports.recordings import Recording
from tests.reports.runs import RUNS
from tests.reports.schedules import traces

EVERY_RUN = pytest.mark.parametrize("name", RUNS)


def events_of(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The events by their phase, as they are read back from the file."""
    events: dict[str, list[dict[str, Any]]] = {}
    for event in json.loads(json.dumps(document))["traceEvents"]:
        events.setdefault(event["ph"], []).append(event)
    return events


def check(document: dict[str, Any], trace: Trace) -> None:
    """What a viewer relies on."""
    events = events_of(document)
    timed = [event["ts"] for event in document["traceEvents"] if event["ph"] != "M"]
    assert timed == sorted(timed)
    slices: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for event in events.get("X", []):
        assert event["ts"] >= 0
        assert event["dur"] > 0
        slices.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
    assert sum(map(len, slices.values())) == sum(len(attempt.events) for attempt in trace.attempts)
    for track in slices.values():
        assert all(end <= begin + 1e-6 for (_, end), (begin, _) in pairwise(track))
    named = {(event["pid"], event["tid"]) for event in events["M"] if event["name"] == "thread_name"}
    assert slices.keys() <= named
    starts = {event["id"]: event for event in events.get("s", [])}
    ends = {event["id"]: event for event in events.get("f", [])}
    assert len(starts) == len(events.get("s", []))
    assert len(ends) == len(events.get("f", []))
    assert starts.keys() == ends.keys()
    for identity, start in starts.items():
        assert start["ts"] <= ends[identity]["ts"]
        for end in (start, ends[identity]):
            track = slices[end["pid"], end["tid"]]
            assert any(begin <= end["ts"] < until for begin, until in track), "an arrow outside every slice"


@given(traces())
def test_any_trace_can_be_drawn_without_running_it_again(trace: Trace) -> None:
    check(perfetto(trace), trace)


@EVERY_RUN
def test_a_run_is_drawn_with_its_arrows(name: str) -> None:
    trace = RUNS[name]()
    document = perfetto(trace, reenact(trace))
    check(document, trace)
    assert Counter(event["cat"] for event in events_of(document)["s"])["conflict"] > 0


def test_nodes_are_processes_and_ranks_are_threads() -> None:
    trace = RUNS["background"]()
    meta = [event for event in events_of(perfetto(trace))["M"] if event["name"].endswith("_name")]
    names = {(event["pid"], event["tid"]): event["args"]["name"] for event in meta if event["name"] == "thread_name"}
    assert [event["args"]["name"] for event in meta if event["name"] == "process_name"] == ["node 0"]
    assert names[0, 1] == "rank 1"
    assert names[0, 4] == "rank 1, background task 4"


def test_a_collective_lasts_from_each_arrival_to_its_end_and_is_joined_by_arrows() -> None:
    trace = RUNS["race"]()
    events = events_of(perfetto(trace))
    barriers = [event for event in events["X"] if event["name"] == "barrier"][:2]
    assert len({event["ts"] + event["dur"] for event in barriers}) == 1
    assert len({event["ts"] for event in barriers}) == 2, "one of them came first, and waited"
    arrows = [event for event in events["s"] if event["cat"] == "collective"]
    assert len(arrows) == sum(event["name"] in ("barrier", "all-reduce sum") for event in events["X"]) / 2


def test_a_broadcast_leads_from_its_source() -> None:
    job = Recording(1, 3)
    job.write_file(2, "latest")
    job.meet("broadcast")
    job.end()
    events = events_of(perfetto(job.trace()))
    assert [(event["tid"], event["cat"]) for event in events["s"]] == [(0, "collective")] * 2
    assert sorted(event["tid"] for event in events["f"]) == [1, 2]


def test_a_gather_leads_to_its_destination_from_whoever_had_gone_on_long_before() -> None:
    job = Recording(1, 3)
    everybody = [0, 1, 2]
    for rank in (1, 2, 0):
        job.do(rank, "collective", "gather", everybody, 0, None, 0)
        job.write_file(rank, f"of-{rank}")
    job.end()
    events = events_of(perfetto(job.trace()))
    assert sorted(event["tid"] for event in events["s"] if event["cat"] == "collective") == [1, 2]
    assert [event["tid"] for event in events["f"]] == [0, 0]


def test_the_deciding_pair_is_marked_and_joined_by_an_arrow() -> None:
    trace = RUNS["race"]()
    events = events_of(perfetto(trace, reenact(trace)))
    marked = {event["args"]["mark"]: event for event in events["X"] if "mark" in event["args"]}
    assert {"A", "B"} <= marked.keys()
    ends = {event["id"]: event for event in events["f"] if event["cat"] == "conflict"}
    joined = [
        (start, ends[start["id"]])
        for start in events["s"]
        if start["cat"] == "conflict"
        and start["tid"] == marked["A"]["tid"]
        and 0 <= start["ts"] - marked["A"]["ts"] < marked["A"]["dur"]
    ]
    assert any(0 <= end["ts"] - marked["B"]["ts"] < marked["B"]["dur"] for _, end in joined)


def test_faults_and_the_verdict_are_instants() -> None:
    trace = RUNS["killed"]()
    instants = [(event["cat"], event["name"]) for event in events_of(perfetto(trace))["i"]]
    assert [kind for kind, _ in instants] == ["fault", "verdict"]
    assert instants[0][1] in ("rank 0 is killed", "rank 1 is killed")
    assert instants[1][1].startswith("no-error: rank ")


def test_times_are_virtual_where_operations_have_costs() -> None:
    """Compared with the clocks that the ranks of another run of the same tape show at its end."""
    trace = RUNS["costed"]()
    document = perfetto(trace, reenact(trace))
    assert document["otherData"]["time"] == "virtual"
    experiment = Experiment(from_table(trace.scenario, "the trace"))
    with installed():
        run = experiment.run(TapeReplay(trace.choices()), trace.choices())
    ended = {rank: (time - EPOCH) / 1_000 for rank, time in enumerate(run.attempts[0].times)}
    assert min(ended.values()) > 60e6, "a training step of a minute comes before the first save"
    for rank, time in ended.items():
        drawn = max(event["ts"] + event["dur"] for event in events_of(document)["X"] if event["tid"] == rank)
        # A clock shows when the next operation begins, too, for which its rank may have to wait.
        assert drawn <= time + 0.01


def test_without_costs_operations_come_one_after_the_other_as_the_schedule_had_them() -> None:
    trace = RUNS["race"]()
    document = perfetto(trace)
    assert document["otherData"]["time"] == "one millisecond an operation"
    operations = [event for event in events_of(document)["X"] if event["cat"] != "collective"]
    tasks = [event.task for event in trace.attempts[0].events if event.kind != "collective"]
    assert [event["tid"] for event in operations] == tasks
