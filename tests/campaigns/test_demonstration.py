"""The demonstration: the incident's outcomes, the strategies compared, and the figures of 72B."""

from __future__ import annotations

import msgspec
import pytest

from simulator.campaigns.demonstrating.demonstration import (
    REMEDY,
    SILENT,
    STRATEGY,
    WITHOUT_A_WORD,
    Candidate,
    Demonstration,
    Outcome,
    candidates,
    incident,
    surprises,
    survey,
)
from simulator.campaigns.scale.at_scale import incident_at_scale, run_at_scale
from simulator.reports.account import accounts


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return list(incident())


def test_the_incident_has_its_three_outcomes_each_confirmed_on_a_disk(outcomes: list[Outcome]) -> None:
    errors = [outcome.failure.error for outcome in outcomes]
    assert "OSError: [Errno 39] Directory not empty: 'tmp-checkpoint-" in errors[0]
    assert "-> 'checkpoint-1'" in errors[0]
    assert "FileNotFoundError: [Errno 2] No such file or directory" in errors[1]
    assert outcomes[2].title == SILENT
    assert outcomes[2].failure.invariant == "complete"
    ended = outcomes[2].failure.trace.attempts[-1].endings
    assert ended == dict.fromkeys(range(8), "returned"), "no rank reports the loss"
    assert [outcome.confirmation.outcome for outcome in outcomes] == ["confirmed"] * 3


def test_what_raises_takes_a_single_switch_and_is_explained_by_a_pair(outcomes: list[Outcome]) -> None:
    for outcome in outcomes[:2]:
        trace = outcome.failure.trace
        assert [kind for _, kind, _, _, _ in trace.tape] == ["schedule"]
        assert trace.explanation is not None
        assert {"first", "second"} <= trace.explanation.keys()


def test_a_strategy_is_searched_without_and_with_deaths() -> None:
    (direct,) = survey([Candidate("transformers-4.35")], schedules=10, seconds=60, processes=1)
    assert direct.undisturbed.result.verdict == "clean"
    assert direct.undisturbed.confirmation is None
    assert direct.dying.result.failure is not None
    assert direct.dying.confirmation is not None
    assert direct.dying.confirmation.outcome == "confirmed"
    assert surprises(Demonstration([], [direct], [])) == []


def test_a_verdict_that_was_not_expected_is_a_surprise() -> None:
    (direct,) = survey([Candidate("transformers-4.35")], schedules=1, seconds=60, processes=1)
    remedy = msgspec.structs.replace(direct, candidate=Candidate("staged-barrier"))
    assert surprises(Demonstration([], [remedy], [])) == [
        "staged-barrier, a rank or the job may die: violated, expected was clean"
    ]


def test_processes_search_as_one_does() -> None:
    chosen = [Candidate("transformers-4.36.0"), Candidate("transformers-4.38")]
    here = list(survey(chosen, schedules=5, seconds=60, processes=1))
    apart = list(survey(chosen, schedules=5, seconds=60, processes=2))
    for one, other in zip(here, apart, strict=True):
        assert one.candidate == other.candidate
        assert one.undisturbed.result.digest == other.undisturbed.result.digest
        assert one.dying.result.digest == other.dying.result.digest


def test_every_registered_strategy_is_a_candidate_and_the_silent_one_is_judged_by_what_is_left() -> None:
    titles = [candidate.title for candidate in candidates()]
    assert len(set(titles)) == len(titles)
    (silent,) = [candidate for candidate in candidates() if candidate.options]
    assert (silent.title, silent.invariants) == ("transformers-4.36.2, save on each node", WITHOUT_A_WORD)


def test_at_72b_the_incident_fails_as_it_was_reported_and_the_remedy_does_not() -> None:
    run = run_at_scale(incident_at_scale(STRATEGY))
    assert run.trace is not None
    assert run.trace.verdict is not None
    assert "No such file or directory" in run.trace.verdict.message
    assert run_at_scale(incident_at_scale(REMEDY)).verdict == "clean"
    assert surprises(Demonstration([], [], [run])) == []


def test_at_72b_the_ranks_wait_for_rank_0_as_long_as_it_serialises_the_model() -> None:
    """147 GB through one safetensors writer at 0.5 GB/s: 294 s."""
    first, others = accounts(run_at_scale(incident_at_scale(STRATEGY)).usage)
    assert (first.ranks, others.ranks) == ("rank 0", "ranks 1 to 31")
    assert others.waited == pytest.approx(146_821_554_688 / 0.5e9, rel=0.02)
    assert first.waited < 0.001
    assert first.bytes_written - others.bytes_written == pytest.approx(146_821_554_688, rel=0.001)
