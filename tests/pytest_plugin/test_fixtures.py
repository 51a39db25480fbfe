"""Race tests with fixtures, parameters, classes and selections; fixtures are set up once a test."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.sessions import Sessions, marked

RICH = """
    import os
    import pytest

    made = []

    @pytest.fixture
    def names():
        made.append("names")
        yield ["a", "b"]
        assert made.count("names") <= 2, "set up once a test"

    class TestSave:
        extension = ".bin"

        def setup_method(self):
            self.shard = "shard" + self.extension

        @pytest.mark.parametrize("racy", [True, False], ids=["racy", "repaired"])
        @pytest.mark.checkpoint_race(schedules=50, seed=1)
        def test_it(self, rank, names, racy):
            for name in names:
                (rank.root / f"{name}{rank.index}").write_bytes(self.shard.encode())
            rank.barrier()
            if racy or rank.index == 0:
                os.rename(rank.root / "a0", rank.root / "c")
"""


def test_fixtures_parameters_and_methods_go_together(sessions: Sessions) -> None:
    result = sessions.run("-v", source=RICH)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["test_it.py::TestSave::test_it[[]racy[]] FAILED *", "*[[]repaired[]] PASSED *"])


@pytest.mark.parametrize(
    "chosen",
    [
        ["-k", "repaired"],
        ["test_it.py::TestSave::test_it[repaired]"],
        ["--deselect", "test_it.py::TestSave::test_it[racy]"],
    ],
)
def test_a_selection_runs_what_it_selects(sessions: Sessions, chosen: list[str]) -> None:
    sessions.run(*chosen, source=RICH).assert_outcomes(passed=1, deselected=0 if "::" in chosen[0] else 1)


def test_the_root_is_fresh_in_each_schedule(sessions: Sessions) -> None:
    body = "rank.barrier(); assert not list(rank.root.iterdir()); rank.barrier(); work(rank)"
    sessions.run(source=marked(body=body)).assert_outcomes(passed=1)


@pytest.mark.parametrize("name", ["tmp_path", "tmpdir", "monkeypatch", "capsys", "home", "text"])
def test_a_writable_fixture_warns_once_by_its_name(sessions: Sessions, name: str) -> None:
    own = """
    import pytest

    @pytest.fixture
    def home(tmp_path):
        return tmp_path / "home"

    @pytest.fixture
    def text(tmp_path):
        return str(tmp_path)
    """
    result = sessions.run(source=own + marked(arguments=name))
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines([f"*CheckpointRaceWarning: the fixture '{name}' is *set up once for the whole test*"])


def test_no_other_fixture_and_no_parameter_does(sessions: Sessions) -> None:
    own = "\n    import pytest\n    @pytest.fixture\n    def size():\n        return 3\n"
    source = own + marked(arguments="size, request, place").replace(
        "@pytest.mark.check", '@pytest.mark.parametrize("place", ["/", "/tmp"])\n    @pytest.mark.check', 1
    )
    sessions.run("-W", "error", source=source).assert_outcomes(passed=2)


def test_the_warning_can_be_turned_off(sessions: Sessions) -> None:
    ignore = "ignore::simulator.pytest_plugin.CheckpointRaceWarning"
    sessions.run("-W", ignore, source=marked(arguments="tmp_path")).assert_outcomes(passed=1, warnings=0)


def test_rank_without_the_marker_is_an_error(sessions: Sessions) -> None:
    result = sessions.run(source="def test_it(rank): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["the fixture 'rank' is for tests marked @pytest.mark.checkpoint_race"])


def test_a_fixture_has_no_rank(sessions: Sessions) -> None:
    own = """
    import pytest

    @pytest.fixture
    def directory(rank):
        return rank.root / "checkpoint-1"
    """
    result = sessions.run(source=own + marked(arguments="directory"))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["E *UsageError: rank.root: fixtures are set up once a test, before there are ranks; *"]
    )


def test_a_repository_may_have_a_fixture_or_a_parameter_of_that_name(sessions: Sessions) -> None:
    source = """
        import pytest

        @pytest.fixture
        def rank():
            return 3

        def test_own(rank):
            assert rank == 3

        @pytest.mark.parametrize("rank", [0, 1])
        def test_parameter(rank):
            assert rank < 2
    """
    sessions.run(source=source).assert_outcomes(passed=3)
