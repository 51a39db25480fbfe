"""What a marker says; one that makes no sense is an error in one line before anything runs."""

from __future__ import annotations

import inspect

import pytest

import simulator
from simulator.pytest_plugin.marker import Race
from tests.pytest_plugin.sessions import REPAIRED, Sessions, marked


def test_the_marker_takes_what_explore_and_certify_take() -> None:
    """All but what a test has no use for: it is the program, the session has the progress, one failure fails it."""
    taken = {name for search in (simulator.explore, simulator.certify) for name in inspect.signature(search).parameters}
    assert set(Race.__struct_fields__) - {"certify"} == taken - {"programs", "progress", "checkpoint", "go_on"}


@pytest.mark.parametrize(
    ("marker", "complaint"),
    [
        ("node=2", "unknown argument 'node'; did you mean 'nodes'?"),
        ("colour=1", "unknown argument 'colour'; it takes nodes, ranks_per_node, filesystem, *"),
        ("2", "(2): takes arguments by name only"),
        ("seed=[1]", "(seed=[[]1[]]): expected a whole number, got list"),
        ("seed={}", "(seed={}): expected a whole number, got dict"),
        ("seed=True", "(seed=True): expected a whole number, got bool"),
        ("schedules=0", "(schedules=0): must be at least 1"),
        ("seconds='1'", "(seconds='1'): expected a number, got str"),
        ("nodes=0", " cluster.nodes: must be at least 1, is 0"),
        ("filesystem=3", "(filesystem=3): expected a name, got int"),
        ("restarts=-1", " restarts: must not be negative, is -1"),
        ("faults=3", "(faults=3): expected simulator.Faults(...), got int"),
        ("faults={'kill': 1}", "(faults={'kill': 1}): Object contains unknown field 'kill'"),
        ("pick=3", "(pick=3): expected a function of the root"),
        ("scheduler=None", "(scheduler=None): expected a name, got NoneType"),
        ("certify=1", "(certify=1): expected True or False, got int"),
        ("certify=True, seed=1", "(seed=1, certify=True): certify goes through every class * takes no 'seed'"),
        ("preemptions=1", "(preemptions=1): only together with certify=True"),
    ],
)
def test_an_argument_that_makes_no_sense_is_told_at_collection(sessions: Sessions, marker: str, complaint: str) -> None:
    result = sessions.run(source=marked(marker))
    result.assert_outcomes(errors=1)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"test_save: checkpoint_race*{complaint.strip()}"])
    result.stdout.no_fnmatch_line("*exception*")


@pytest.mark.parametrize(
    ("marker", "complaint"),
    [
        ('filesystem="floppy"', "filesystem.profile: unknown profile 'floppy'; *"),
        ('scheduler="fair"', "unknown scheduler 'fair'; known are random, *"),
        ('invariants=["whole"]', "invariants: unknown invariant 'whole'; there are no-error, *"),
        ("invariants=[3]", "invariants: 3 is neither the name of one nor a function"),
    ],
)
def test_what_only_the_simulator_knows_to_be_wrong_is_told_by_the_test(
    sessions: Sessions, marker: str, complaint: str
) -> None:
    result = sessions.run(source=marked(marker))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"checkpoint_race: {complaint}"])


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("async def test_it(rank): ...", "the test is async; a rank is a plain function"),
        ("def test_it(): ...", "the test takes no argument 'rank', *"),
        ("@given(none())\ndef test_it(rank, x): ...", "the test has @given, too; *"),
    ],
)
def test_a_test_that_cannot_be_run_once_a_rank_is_told_at_collection(
    sessions: Sessions, source: str, complaint: str
) -> None:
    imports = "import pytest\nfrom hypothesis import given\nfrom hypothesis.strategies import none\n"
    result = sessions.run(source=f"{imports}@pytest.mark.checkpoint_race\n{source}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"test_it: checkpoint_race: {complaint}"])


def test_a_test_of_unittest_is_not_run_as_if_it_had_no_marker(sessions: Sessions) -> None:
    source = """
        import pytest, unittest

        @pytest.mark.checkpoint_race
        class TestIt(unittest.TestCase):
            def test_it(self):
                pass
    """
    result = sessions.run(source=source)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["test_it: checkpoint_race: only a test function or method of pytest's own kind *"])


def test_neither_is_one_that_is_parametrized_with_its_ranks(sessions: Sessions) -> None:
    source = marked().replace("@pytest", '@pytest.mark.parametrize("rank", [0, 1])\n    @pytest', 1)
    result = sessions.run(source=source)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["test_save[[]0[]]: checkpoint_race: the test is parametrized with 'rank', *"])


def test_marks_add_up_and_the_closest_decides(sessions: Sessions) -> None:
    source = """
        import pytest
        pytestmark = pytest.mark.checkpoint_race(nodes=3, schedules=9, seed=5)

        @pytest.mark.checkpoint_race(schedules=4)
        class TestOfAClass:
            @pytest.mark.checkpoint_race(seed=6)
            def test_it(self, rank):
                (rank.root / str(rank.index)).touch()
                rank.barrier()
                assert len(list(rank.root.iterdir())) == 3
    """
    told = sessions.reported(source=source)
    assert (told["ckptrace_schedules"], told["ckptrace_seed"], told["ckptrace_verdict"]) == (4, 6, "clean")


def test_a_mark_of_one_set_of_parameters_counts_too(sessions: Sessions) -> None:
    source = """
        import pytest
        race, wrong = pytest.mark.checkpoint_race(schedules=3), pytest.mark.checkpoint_race(rounds=3)

        @pytest.mark.parametrize("name", [pytest.param("a", marks=race), pytest.param("b", marks=wrong), "c"])
        def test_it(rank, name):
            (rank.root / f"{name}{rank.index}").touch()
    """
    result = sessions.run(source=source)
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["test_it[[]b[]]: checkpoint_race: unknown argument 'rounds'; *"])
    result.stdout.fnmatch_lines(["the fixture 'rank' is for tests marked @pytest.mark.checkpoint_race"])


def test_strict_markers_and_errors_for_warnings_are_met(sessions: Sessions) -> None:
    sessions.run("--strict-markers", "-W", "error", source=REPAIRED).assert_outcomes(passed=1)
    sessions.run("--markers").stdout.fnmatch_lines(["@pytest.mark.checkpoint_race(nodes=2, *"])
