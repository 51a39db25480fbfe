"""What a guide proposes follows from what it has learned, and from its seed."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from simulator.boundary import installed
from simulator.campaigns.fuzzing.arms import Arms
from simulator.campaigns.fuzzing.guide import Guide
from simulator.campaigns.fuzzing.job import Reply, Request, make_runs, packed
from simulator.campaigns.fuzzing.proposal import REPLAY, REVERSE, SPLICE, Outcome, Proposal
from simulator.faults import Faults
from simulator.scenario import Scenario
from simulator.tape import Tape
from tests.fuzzing.scenarios import scenario


def make(content: Scenario, proposals: list[Proposal], guide: Guide | None = None, *, session: str = "s") -> Reply:
    known = packed(guide.covered) if guide is not None else b""
    return make_runs(Request(0, session, os.getpid(), content, proposals, known))


def guided(content: Scenario, seed: int, runs: int) -> tuple[Guide, list[tuple[Proposal, Outcome]]]:
    guide, made = Guide(seed), []
    for _ in range(runs):
        proposal = guide.propose()
        reply = make(content, [proposal], guide, session=f"{content.program} {os.getpid()}")
        assert reply.problem is None
        [outcome] = reply.outcomes
        guide.learn(proposal, outcome)
        made.append((proposal, outcome))
    return guide, made


def test_the_same_seed_gives_the_same_runs_and_another_one_others(tmp_path: Path) -> None:
    content = scenario("racy", tmp_path)
    first, second, other = (guided(content, seed, 30)[1] for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_a_session_begins_with_the_undisturbed_run(tmp_path: Path) -> None:
    guide = Guide(0, proposed=100)
    assert guide.propose() == Proposal(REPLAY, 0)
    assert guide.propose() != Guide(0).propose()


def test_a_reversal_is_of_an_order_that_no_run_has_had(tmp_path: Path) -> None:
    content = scenario("racy", tmp_path)
    guide = Guide(0)
    reversals = 0
    for _ in range(60):
        proposal = guide.propose()
        if proposal.arm == REVERSE:
            assert proposal.race is not None
            assert proposal.race.reverse not in guide.covered
            assert proposal.race.pair in guide.covered
            reversals += 1
        for outcome in make(content, [proposal], guide).outcomes:
            guide.learn(proposal, outcome)
    assert reversals > 5


def test_most_reversals_give_the_order_that_they_are_for(tmp_path: Path) -> None:
    _, made = guided(scenario("racy", tmp_path, nodes=3), 0, 60)
    reversed_ = [p.race.reverse in o.pairs for p, o in made if p.race is not None]
    assert len(reversed_) > 10
    assert sum(reversed_) > len(reversed_) / 2


def test_the_order_of_every_race_of_a_small_program_is_seen_both_ways_within_few_runs(tmp_path: Path) -> None:
    guide, made = guided(scenario("sound", tmp_path), 0, 40)
    races = [race for _, outcome in made for race in outcome.races]
    assert races
    assert {race.reverse for race in races} <= guide.covered


def test_a_joined_tape_has_no_more_faults_than_the_budget_allows(tmp_path: Path) -> None:
    content = Scenario(**{**_fields(scenario("sound", tmp_path)), "faults": Faults(kills=1), "restarts": 1})
    _, made = guided(content, 3, 150)
    assert any(proposal.arm == SPLICE for proposal, _ in made)
    for proposal, _ in made:
        assert sum(row[1] == "kill" for row in proposal.tape) <= 1


def test_a_run_without_news_sends_no_tape_back(tmp_path: Path) -> None:
    content = scenario("sound", tmp_path)
    proposal = Proposal("random", 1, draws=True)
    first, second = make(content, [proposal, proposal]).outcomes
    assert first.tape or first.races
    assert not second.tape
    assert second.pairs == first.pairs


def test_a_proposal_gives_the_same_run_on_its_tape(tmp_path: Path) -> None:
    content = scenario("racy", tmp_path)
    for seed in range(10):
        [made] = make(content, [Proposal("sticky", seed, draws=True)]).outcomes
        [again] = make(content, [Proposal(REPLAY, 0, tape=made.tape)]).outcomes
        assert (again.pairs, again.broken, again.tape) == (made.pairs, made.broken, made.tape)


def test_what_is_run_twice_must_be_the_same(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(
        "import os\ncount = [0]\ndef job(rank):\n    count[0] += 1\n    os.mkdir(rank.root / str(count[0]))\n"
    )
    reply = make(Scenario(program=f"{tmp_path}/job.py:job"), [Proposal(REPLAY, 0)])
    assert "not deterministic" in (reply.problem or "")
    assert reply.outcomes == []


def test_a_batch_ends_when_its_time_is_up_but_not_without_a_run(tmp_path: Path) -> None:
    request = Request(0, "s", os.getpid(), scenario("sound", tmp_path), [Proposal("random", 1)] * 5, seconds=0.0)
    assert len(make_runs(request).outcomes) == 1


def test_the_boundary_is_taken_away_after_a_batch(tmp_path: Path) -> None:
    exists = os.path.exists, os.stat
    make(scenario("racy", tmp_path), [Proposal(REPLAY, 0)])
    assert exists == (os.path.exists, os.stat)
    with installed():
        assert os.stat is not exists[1]


def test_an_arm_that_yields_is_drawn_more_often_and_none_never() -> None:
    arms, random = Arms(["good", "bad"]), Random(0)
    for _ in range(100):
        arms.tell("good", 1.0)
        arms.tell("bad", 0.0)
    drawn = [arms.draw(random) for _ in range(1000)]
    assert 800 < drawn.count("good") < 1000
    for _ in range(200):
        arms.tell("good", 0.0)
        arms.tell("bad", 1.0)
    assert [arms.draw(random) for _ in range(1000)].count("bad") > 800


@pytest.mark.parametrize("trials", [1, 5])
def test_trials_can_be_told_together(trials: int) -> None:
    arms = Arms(["a", "b"])
    arms.tell("a", 0.0, trials)
    arms.tell("no arm", 5.0)
    assert arms.draw(Random(0), ["b"]) == "b"


def _fields(content: Scenario) -> dict[str, Any]:
    return {name: getattr(content, name) for name in content.__struct_fields__}


def test_a_tape_says_all_that_a_run_needs() -> None:
    rows = Tape({(0, "schedule", 0, 1): 2, (0, "kill", 1, 3): 1}).entries()
    assert Proposal(REPLAY, 0, tape=rows).faults().entries() == [(0, "kill", 1, 3, 1)]
