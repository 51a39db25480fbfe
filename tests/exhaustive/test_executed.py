"""A certificate names the code that no run of its search came to, and the code runs as ever while that is measured."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import simulator
from simulator import registry
from simulator.boundary import installed
from simulator.campaigns.interface import experiment_of
from simulator.campaigns.result import Result
from simulator.engines.canonical import event_of
from simulator.errors import UsageError
from simulator.exhaustive.executed import Executed
from simulator.scenario import Cluster, Scenario, StrategyChoice, Workload
from simulator.schedulers.last_first import LastRankFirst
from simulator.trace import digest_of

INCREMENTAL = Path(registry.strategy_class("incremental").__init__.__code__.co_filename)

PROGRAM = """
    import os

    def look(root):
        return os.path.exists(root / "never") or None

    def unused(root):
        os.mkdir(root / "unused")

    def program(rank):
        "Its text is no statement."
        os.mkdir(rank.root / str(rank.index))
        if look(rank.root):
            raise RuntimeError("it is there")
        both = [each for each in (0, 1) if each < 2 and not each > 5]
        one = "a" if both else "b"
        while len(both) > 1 and one:
            both.pop()
        def inner():
            return one
        if rank.index > 5:
            unused(rank.root)
            return inner()
"""


def program(tmp_path: Path, text: str = PROGRAM) -> str:
    file = tmp_path / "program.py"
    file.write_text(dedent(text))
    return f"{file}:program"


def left_out(result: Result) -> dict[str, tuple[bool, tuple[int, ...], tuple[int, ...]]]:
    assert result.certificate is not None
    return {
        each["function"]: (each["called"], tuple(each["lines"]), tuple(each["one_way"]))
        for each in result.certificate["not_executed"]
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_never_executed_is_named_line_by_line(tmp_path: Path, workers: int) -> None:
    result = simulator.certify(Scenario(program=program(tmp_path)), workers=workers)
    assert result.verdict == "certified"
    assert left_out(result) == {
        "look": (True, (), (5,)),
        "unused": (False, (), ()),
        "program": (True, (14, 22, 23), (15, 16, 17)),
        "program.inner": (False, (), ()),
    }
    (warning,) = result.warnings
    assert warning == (
        "the certificate says nothing of code that was never executed: program.py: unused (never called), "
        "program.inner (never called), program (14, 22-23); 4 conditions that came out one way only"
    )
    assert f"warning: {warning}" in str(result)


def test_a_program_all_of_which_was_executed_has_no_warning(tmp_path: Path) -> None:
    text = """
    def program(rank):
        if rank.index:
            (rank.root / "a").mkdir()
        else:
            (rank.root / "b").mkdir()
    """
    result = simulator.certify(Scenario(program=program(tmp_path, text)))
    assert (result.verdict, result.warnings, left_out(result)) == ("certified", [], {})


def test_a_search_that_goes_on_from_its_checkpoint_knows_what_was_executed_before(tmp_path: Path) -> None:
    text = """
    def program(rank):
        for number in range(3):
            (rank.root / f"{number}").mkdir(exist_ok=True)
        if rank.index > 5:
            return
    """
    scenario, kept = Scenario(program=program(tmp_path, text)), tmp_path / "kept"
    first = simulator.certify(scenario, max_classes=2, checkpoint=kept)
    assert (first.verdict, first.warnings) == ("incomplete", [])
    again = simulator.certify(scenario, checkpoint=kept)
    assert again.verdict == "certified"
    assert left_out(again) == left_out(simulator.certify(scenario)) == {"program": (True, (6,), ())}


@pytest.mark.parametrize("name", registry.names())
def test_a_strategy_does_the_same_while_it_is_measured_and_is_as_it_was_afterwards(name: str) -> None:
    scenario = Scenario(
        cluster=Cluster(2, 1), strategy=StrategyChoice(name), workload=Workload(steps=3, best=1, frozen=True)
    )
    experiment = experiment_of(scenario)
    executed = Executed(experiment)

    def digest() -> Any:
        run = experiment.run(LastRankFirst(), detail=True)
        events = [[event_of(step) for step in record.steps] for record in run.attempts]
        return digest_of(events), [[event.site for event in each] for each in events], run.violation

    code = registry.strategy_class(name).save.__code__
    with installed():
        bare = digest()
        with executed.measured():
            assert registry.strategy_class(name).save.__code__ is not code
            assert digest() == bare
        assert registry.strategy_class(name).save.__code__ is code
        assert digest() == bare
    assert executed.take()
    assert executed.take() == []


# -- what the default workload of a strategy is for -------------------------------------------------------------------


def mutant(tmp_path: Path, old: str, new: str) -> str:
    """The incremental strategy with one thing changed."""
    source = INCREMENTAL.read_text()
    assert source.count(old) == 1
    file = tmp_path / "mutant.py"
    file.write_text(source.replace(old, new))
    return f"{file}:Incremental"


def certified(name: str, workload: Workload | None = None, **options: Any) -> Result:
    result: Result = simulator.certify(
        Scenario(strategy=StrategyChoice(name, options), workload=workload or Workload(), invariants=None)
    )
    return result


def test_a_mutant_that_takes_a_shard_away_from_the_kept_checkpoint_is_found_by_default(tmp_path: Path) -> None:
    moved = mutant(tmp_path, "os.link(source, path)", "os.rename(source, path)")
    assert certified(moved).verdict == "violated"
    assert certified(moved, Workload(frozen=False)).verdict == "certified"


def test_a_mutant_that_deletes_what_the_kept_manifest_names_is_found_where_files_are_named(tmp_path: Path) -> None:
    blind = mutant(tmp_path, "_delete_unnamed(root / name, named)", "_delete_unnamed(root / name, set())")
    assert certified(blind, hard_links=False).verdict == "violated"
    by_default = certified(blind)
    assert by_default.verdict == "certified"
    assert "Incremental._write (" in by_default.warnings[0], "the lines that name files were not executed"


def test_a_strategy_that_asks_for_another_workload_than_there_is_is_refused(tmp_path: Path) -> None:
    asks = mutant(tmp_path, '{"frozen": True}', '{"melted": True}')
    with pytest.raises(UsageError, match="workload: must be"):
        certified(asks)
