"""Strategies compared: verdicts at small scale, figures and samples at the real shape."""

from __future__ import annotations

import pytest

from simulator.campaigns.comparison import Comparison, compare
from simulator.campaigns.comparison.outcome import ORDER, Compared
from simulator.campaigns.comparison.situations import SITUATIONS
from simulator.campaigns.demonstrating.demonstration import Candidate
from simulator.costs.intervals import daly
from simulator.errors import UsageError
from simulator.scenario import Cluster, CostChoice, Workload
from tests.comparing.jobs import HOUR, request


@pytest.fixture(scope="module")
def trainer(compared: list[Compared]) -> Compared:
    return compared[0]


@pytest.fixture(scope="module")
def remedy(compared: list[Compared]) -> Compared:
    return compared[1]


@pytest.fixture(scope="module")
def racy(compared: list[Compared]) -> Compared:
    return compared[2]


def test_every_invariant_has_a_verdict_in_every_situation_in_which_it_is_judged(compared: list[Compared]) -> None:
    for each in compared:
        assert [(cell.situation, cell.invariant) for cell in each.cells] == [
            (situation.name, invariant) for situation in request().judged_in() for invariant in situation.invariants
        ]
        for cell in each.cells:
            assert cell.verdict in ORDER
            assert cell.said
            assert (cell.finding is not None) == (cell.verdict == "violated")


def test_the_remedy_is_certified_where_the_search_ends_and_violated_nowhere(remedy: Compared) -> None:
    assert remedy.findings == []
    assert remedy.verdict("job-death") == "certified"
    assert remedy.verdict("full-disk") == "certified"
    assert "exhaustive: " in remedy.cells[0].said
    assert remedy.violated == 0


def test_writing_into_the_final_place_is_blamed_on_deaths_not_on_the_undisturbed_job(trainer: Compared) -> None:
    assert trainer.verdict("undisturbed") in ("certified", "clean")
    for situation in ("job-death", "full-disk"):
        assert trainer.verdict(situation) == "violated"
    cell = trainer.cell("job-death", "complete")
    assert cell is not None
    assert cell.finding is not None
    assert trainer.findings[cell.finding].failure.invariant == "complete"


def test_each_failure_is_kept_once(compared: list[Compared]) -> None:
    for each in compared:
        signatures = [finding.failure.signature for finding in each.findings]
        assert len(set(signatures)) == len(signatures)
        named = {cell.finding for cell in each.cells if cell.finding is not None}
        assert named == set(range(len(each.findings)))


def test_the_race_shows_at_the_real_shape_too(racy: Compared) -> None:
    assert racy.measured.violations["no-error"] == 4
    assert racy.measured.run.verdict == "violated"
    assert racy.measured.economy is None


def test_what_a_strategy_costs_follows_from_its_save_and_the_failure_rate(trainer: Compared, remedy: Compared) -> None:
    economy, run = remedy.measured.economy, remedy.measured.run
    assert economy is not None
    assert economy.stall == pytest.approx(run.saves[0].stalled, rel=0.01)
    assert economy.interval == daly(economy.stall, 462 * HOUR)
    assert run.resumed is not None
    assert economy.restart == 600 + run.resumed.seconds
    assert economy.goodput is not None
    assert 0.98 < economy.goodput < 1
    assert economy.lost_every is None
    exposed = trainer.measured.economy
    assert exposed is not None
    assert exposed.lost_one_in == pytest.approx((exposed.interval + exposed.stall) / exposed.stall, rel=0.05)


def test_the_safest_comes_first_and_the_one_that_is_always_wrong_last(compared: list[Compared]) -> None:
    ranked = Comparison(request(), compared).ranked()
    assert [each.candidate.name for each in ranked] == ["staged-barrier", "transformers-5.23", "transformers-4.36.0"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "lost"),
    [
        ("transformers-5.23", ["job-death", "rank-kill", "power-loss", "full-disk"]),
        ("transformers-4.37", ["power-loss"]),
        ("staged-barrier", []),
    ],
)
def test_what_a_strategy_survives_in_all_situations(strategy: str, lost: list[str]) -> None:
    everywhere = request(situations=tuple(situation.name for situation in SITUATIONS), seconds=4.0, confirm=True)
    (each,) = compare([Candidate(strategy)], everywhere)
    assert [situation.name for situation in SITUATIONS if each.verdict(situation.name) == "violated"] == lost
    for finding in each.findings:
        assert finding.confirmation is not None
        assert finding.confirmation.outcome == ("model only" if "power" in finding.situation else "confirmed")


def test_several_processes_give_what_one_gives() -> None:
    alike = request(situations=("job-death",))
    (apart, _) = compare([Candidate("staged-barrier"), Candidate("manifest")], alike, processes=2)
    (here,) = compare([Candidate("staged-barrier")], alike)
    assert [(cell.invariant, cell.verdict) for cell in apart.cells] == [
        (cell.invariant, cell.verdict) for cell in here.cells
    ]
    assert apart.measured.run.saves == here.measured.run.saves


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"situations": ("flood",)}, "situation: unknown situation 'flood'"),
        ({"cluster": Cluster(0, 8)}, "cluster.nodes: must be at least 1"),
        ({"costs": CostChoice("floppy")}, "costs.profile: unknown profile 'floppy'"),
        ({"workload": Workload(layout="tar", form="size")}, "workload.layout: unknown layout 'tar'"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused_before_anything_is_searched(
    changes: dict[str, object], complaint: str
) -> None:
    with pytest.raises(UsageError) as raised:
        compare([Candidate("staged-barrier")], request(**changes))
    assert complaint in str(raised.value)
