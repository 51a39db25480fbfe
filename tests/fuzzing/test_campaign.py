"""Fuzzing as a whole: reproducible, resumed, side by side, and honest about what it could not do."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import joblib
import msgspec
import pytest
from joblib._parallel_backends import LokyBackend

import simulator
from simulator.campaigns.fuzzing.campaign import Campaign
from simulator.campaigns.fuzzing.interface import Target, fuzz
from simulator.campaigns.fuzzing.outcome import FuzzedScenario, FuzzResult
from simulator.campaigns.fuzzing.standing import KnownFailure, Standing
from simulator.errors import CannotDo, UsageError
from simulator.faults import Faults
from simulator.scenario import Budgets, Cluster, Scenario
from tests.fuzzing.scenarios import scenario, target


def signatures(fuzzed: FuzzedScenario) -> set[str]:
    return {failure.found.broken.signature for failure in fuzzed.failures}


def told(result: FuzzResult) -> Any:
    """All that must not depend on time and place."""
    return [
        (
            each.name,
            msgspec.structs.replace(each.result, seconds=0.0, failure=None),
            [(failure.found, failure.known) for failure in each.failures],
            each.pairs,
            each.tapes,
        )
        for each in result.scenarios
    ]


def names_in(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.name != "progress.json")


class Notes:
    """A listener that keeps what it is told, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def begun(self, campaign: Campaign) -> None:
        self.events.append(("begun", ""))

    def found(self, standing: Standing, failure: KnownFailure) -> None:
        assert failure.found in standing.shelf.found(), "a failure is kept before it is told"
        self.events.append(("found", failure.found.broken.signature))

    def finished(self, standing: Standing, failure: KnownFailure, problem: str | None) -> None:
        assert problem is None
        assert failure.trace is not None
        assert failure.trace.exists(), "a trace is kept before it is told"
        self.events.append(("finished", failure.found.broken.signature))

    def progressed(self) -> None:
        pass


def test_the_same_seed_gives_the_same_result_and_the_same_corpus(tmp_path: Path) -> None:
    targets = [target("racy", tmp_path), target("sound", tmp_path)]
    first, second = (fuzz(targets, tmp_path / name, schedules=120, seed=3, confirm=False) for name in ("a", "b"))
    assert told(first) == told(second)
    assert names_in(tmp_path / "a") == names_in(tmp_path / "b")
    assert sum(each.result.schedules for each in first.scenarios) == 120


def test_failures_are_found_once_minimised_confirmed_and_replay(tmp_path: Path) -> None:
    notes = Notes()
    result = fuzz([target("racy", tmp_path)], tmp_path / "corpus", schedules=60, listener=notes)
    [fuzzed] = result.scenarios
    assert (result.verdict, result.exit_code) == ("violated", 1)
    assert len(fuzzed.failures) >= 2
    assert len(signatures(fuzzed)) == len(fuzzed.failures)
    for failure in fuzzed.failures:
        assert failure.trace is not None
        assert failure.found.outcome == "confirmed"
        again = simulator.replay(failure.trace)
        assert again.failure is not None
        assert again.failure.signature == failure.found.broken.signature
        assert len(again.failure.trace.tape) <= len(failure.found.tape)
        assert again.failure.trace.explanation
    assert fuzzed.result.failure is not None
    assert fuzzed.result.digest == fuzzed.result.failure.trace.digest
    kinds = [kind for kind, _ in notes.events]
    assert kinds.count("found") == kinds.count("finished") == len(fuzzed.failures)


def test_a_sound_program_is_clean_and_says_what_was_covered(tmp_path: Path) -> None:
    result = fuzz([target("sound", tmp_path)], tmp_path / "corpus", schedules=40)
    [fuzzed] = result.scenarios
    assert (result.verdict, result.exit_code, result.ended) == (
        "clean", 0, "as many schedules were run as were asked for",
    )  # fmt: skip
    assert fuzzed.result.coverage.startswith("fuzzed: 40 schedules, ")
    assert fuzzed.pairs == 2  # Both ranks make the directory, in either order.
    assert fuzzed.result.digest is not None


def test_a_session_goes_on_from_the_one_before(tmp_path: Path) -> None:
    targets = [target("racy", tmp_path)]
    first = fuzz(targets, tmp_path / "corpus", schedules=40, confirm=False).scenarios[0]
    notes = Notes()
    second = fuzz(targets, tmp_path / "corpus", schedules=10, confirm=False, listener=notes).scenarios[0]
    assert second.rerun == first.tapes + len(first.failures)
    assert second.earlier == 40
    assert second.pairs >= first.pairs
    assert signatures(second) >= signatures(first)
    known = [failure for failure in second.failures if failure.known]
    assert {each.found.broken.signature for each in known} == signatures(first)
    assert all(failure.trace is not None for failure in known)
    assert not {signature for _, signature in notes.events} & signatures(first), "what is known is not told again"


def test_a_failure_that_was_not_finished_is_finished_next_time(tmp_path: Path) -> None:
    targets = [target("racy", tmp_path)]
    first = fuzz(targets, tmp_path / "corpus", schedules=30, confirm=False).scenarios[0]
    for failure in first.failures:
        assert failure.trace is not None
        failure.trace.unlink()
    second = fuzz(targets, tmp_path / "corpus", schedules=1, confirm=False).scenarios[0]
    assert signatures(second) == signatures(first)
    assert all(failure.trace is not None and failure.trace.exists() for failure in second.failures)


def test_two_workers_find_what_one_finds(tmp_path: Path) -> None:
    targets = [target("racy", tmp_path), target("sound", tmp_path)]
    alone = fuzz(targets, tmp_path / "one", schedules=200, confirm=False)
    both = fuzz(targets, tmp_path / "two", schedules=200, workers=2, confirm=False)
    assert [signatures(each) for each in both.scenarios] == [signatures(each) for each in alone.scenarios]
    assert sum(each.result.schedules for each in both.scenarios) == 200
    assert both.scenarios[1].result.verdict == "clean"
    assert all(failure.trace is not None for failure in both.scenarios[0].failures)


class Elsewhere(LokyBackend):  # type: ignore[misc]
    """Stands for a backend that reaches further: what is asked of it is what is asked of any."""

    started = 0

    def configure(self, *given: Any, **named: Any) -> int:
        Elsewhere.started += 1
        return int(super().configure(*given, **named))


def test_another_backend_of_joblib_can_make_the_runs(tmp_path: Path) -> None:
    joblib.register_parallel_backend("elsewhere", Elsewhere)
    before = Elsewhere.started
    with joblib.parallel_config(backend="elsewhere"):
        result = fuzz([target("racy", tmp_path)], tmp_path / "corpus", schedules=60, workers=2, confirm=False)
    assert Elsewhere.started > before
    assert result.verdict == "violated"
    assert result.scenarios[0].result.schedules == 60


@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_a_backend_that_cannot_serve_is_named(tmp_path: Path, backend: str) -> None:
    with joblib.parallel_config(backend=backend), pytest.raises(UsageError, match=f"(?i){backend}"):
        fuzz([target("racy", tmp_path)], tmp_path / "corpus", schedules=60, workers=2)


def test_what_cannot_be_fuzzed_is_incomplete_and_does_not_stop_the_others(tmp_path: Path) -> None:
    endless = target("endless", tmp_path)
    endless = Target("endless", msgspec.structs.replace(endless.scenario, budgets=Budgets(operations=300)))
    targets = [target("idle", tmp_path), target("sound", tmp_path), endless]
    result = fuzz(targets, tmp_path / "corpus", schedules=60)
    idle, sound, unended = result.scenarios
    assert (result.verdict, result.exit_code) == ("incomplete", 3)
    assert "made a call about a file" in (idle.result.reason or "")
    assert sound.result.verdict == "clean"
    assert "did not end" in (unended.result.reason or "")
    assert idle.result.schedules < 20


def test_fuzzing_ends_when_no_run_can_be_another_one(tmp_path: Path) -> None:
    result = fuzz([target("alone", tmp_path)], tmp_path / "corpus")
    assert (result.verdict, result.ended, result.scenarios[0].result.schedules) == ("clean", "no scenario can go on", 1)
    assert result.scenarios[0].result.coverage.startswith("1 class: nothing to interleave; ")


def test_faults_go_on_to_be_drawn_where_nothing_can_be_interleaved(tmp_path: Path) -> None:
    given = target("alone", tmp_path)
    killed = Target("alone", msgspec.structs.replace(given.scenario, faults=Faults(kills=1)))
    result = fuzz([killed], tmp_path / "corpus", schedules=20)
    assert (result.verdict, result.scenarios[0].result.schedules) == ("clean", 20)


def test_code_that_is_not_deterministic_is_told_so_and_is_no_finding(tmp_path: Path) -> None:
    (tmp_path / "programs.py").write_text(
        "import os\ncount = [0]\ndef job(rank):\n    count[0] += 1\n    os.mkdir(rank.root / str(count[0]))\n"
    )
    result = fuzz([Target("job", scenario("job", tmp_path))], tmp_path / "corpus", schedules=10)
    assert result.exit_code == 3
    assert "not deterministic" in (result.scenarios[0].result.reason or "")


def test_an_escape_is_no_finding_either(tmp_path: Path) -> None:
    (tmp_path / "programs.py").write_text("import os\ndef job(rank):\n    os.mkdir(rank.root / 'a')\n    os._exit(0)\n")
    result = fuzz([Target("job", scenario("job", tmp_path))], tmp_path / "corpus", schedules=10)
    assert (result.verdict, result.exit_code) == ("incomplete", 3)
    assert "_exit" in (result.scenarios[0].result.reason or "")


def test_a_worker_that_dies_is_no_finding_and_loses_nothing(tmp_path: Path) -> None:
    good = target("racy", tmp_path)
    before = fuzz([good], tmp_path / "corpus", schedules=40, confirm=False).scenarios[0]
    bad = tmp_path / "bad" / "programs.py"
    bad.parent.mkdir()
    bad.write_text(
        "from posix import _exit\ndef job(rank):\n    (rank.root / 'a').mkdir(exist_ok=True)\n"
        f"    import os\n    if os.getpid() != {os.getpid()}: _exit(0)\n"
    )
    problem: Exception | None
    try:  # Whether another worker has brought something by then is open; what it brought is not lost.
        targets = [good, Target("job", scenario("job", bad.parent))]
        problem = fuzz(targets, tmp_path / "corpus", workers=2, schedules=500).problem
    except CannotDo as error:
        problem = error
    assert re.search(r"a worker process has died while it ran .*job.*no finding", str(problem))
    after = fuzz([good], tmp_path / "corpus", schedules=1, confirm=False).scenarios[0]
    assert signatures(after) >= signatures(before)


def test_faults_of_the_budget_are_fuzzed_too(tmp_path: Path) -> None:
    content = msgspec.structs.replace(scenario("racy", tmp_path), faults=Faults(kills=1), restarts=1)
    result = fuzz([Target("racy", content)], tmp_path / "corpus", schedules=80, confirm=False)
    assert "up to 1 rank kill" in result.scenarios[0].result.coverage
    assert result.scenarios[0].pairs > fuzz(
        [target("racy", tmp_path)], tmp_path / "other", schedules=80, confirm=False
    ).scenarios[0].pairs  # fmt: skip


def test_a_file_system_that_does_not_tell_what_is_touched_is_fuzzed_without_guidance(tmp_path: Path) -> None:
    content = scenario("racy", tmp_path)
    content = msgspec.structs.replace(
        content, filesystem=msgspec.structs.replace(content.filesystem, profile="pyfakefs")
    )
    [fuzzed] = fuzz([Target("racy", content)], tmp_path / "corpus", schedules=40, confirm=False).scenarios
    assert fuzzed.result.verdict == "violated"
    assert "not guided" in fuzzed.result.coverage


@pytest.mark.parametrize(
    ("arguments", "named"), [({"schedules": 0}, "schedules"), ({"workers": 0}, "workers"), ({}, "nothing to fuzz")]
)
def test_arguments_that_make_no_sense_are_named(tmp_path: Path, arguments: dict[str, Any], named: str) -> None:
    targets = [target("sound", tmp_path)] if arguments else []
    with pytest.raises(UsageError, match=named):
        fuzz(targets, tmp_path / "corpus", **arguments)


def test_a_known_failure_does_not_keep_further_runs_from_what_comes_after_it(tmp_path: Path) -> None:
    """Each run would else end with the barrier, behind which two ranks write the same files."""
    file = tmp_path / "early.py"
    file.write_text(
        "import os\n"
        "def job(rank):\n"
        "    os.mkdir(rank.root / f'of-{rank.index}')\n"
        "    rank.barrier()\n"
        "    if rank.index == 0:\n"
        "        raise RuntimeError('always')\n"
        "    for number in range(3):\n"
        "        (rank.root / f'{number}').write_bytes(b'')\n"
    )
    early = Target("early", Scenario(cluster=Cluster(3, 1), program=f"{file}:job"))
    stopped, gone = (
        fuzz([early], tmp_path / str(go_on), schedules=60, seed=1, confirm=False, go_on=go_on).scenarios[0]
        for go_on in (False, True)
    )
    assert not stopped.pairs
    assert gone.pairs >= 6
    assert signatures(gone) == signatures(stopped), "and no more than there are"
    assert gone.result.hidden is not None
    again = fuzz([early], tmp_path / "True", schedules=5, confirm=False).scenarios[0]
    assert all(failure.known for failure in again.failures), "it stands, though other runs set it aside"
    assert not again.repaired
