"""What becomes of a race test: it passes, fails, is certified, or could not be carried out, which is no pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pytest_plugin.sessions import RACY, REPAIRED, Sessions, marked


def test_a_race_fails(sessions: Sessions) -> None:
    result = sessions.run(source=RACY)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_save - FileNotFoundError: *"])


def test_without_the_race_it_passes(sessions: Sessions) -> None:
    result = sessions.run(source=REPAIRED)
    result.assert_outcomes(passed=1)
    assert sessions.kept == []


def test_certify_goes_through_every_class(sessions: Sessions) -> None:
    told = sessions.reported(source=REPAIRED.replace("schedules=200, seed=1", "certify=True"))
    assert (told["ckptrace_verdict"], told["ckptrace_classes"]) == ("certified", 2)
    assert "ckptrace_seed" not in told


def test_certify_finds_the_race(sessions: Sessions) -> None:
    result = sessions.run(source=RACY.replace("schedules=200, seed=1", "certify=True, preemptions=1"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["found   by exhaustive search, after 2 schedules"])


@pytest.mark.parametrize("marker", ["", "certify=True"])
def test_nothing_touched_is_no_pass(sessions: Sessions, marker: str) -> None:
    result = sessions.run(source=marked(marker, "rank.barrier()"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["checkpoint_race: none of 2 ranks made a call about a file *"])


def test_neither_is_a_search_that_a_limit_ended(sessions: Sessions) -> None:
    result = sessions.run(source=marked("certify=True, max_classes=1", '(rank.root / "a").touch()'))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["checkpoint_race: incomplete: stopped after 1 classes*"])


def test_an_expected_failure_is_a_race_and_not_that_nothing_was_tested(sessions: Sessions) -> None:
    xfail = "@pytest.mark.xfail\n    @pytest.mark.checkpoint_race"
    sessions.run(source=RACY.replace("@pytest.mark.checkpoint_race", xfail)).assert_outcomes(xfailed=1)
    nothing = marked(body="rank.barrier()").replace("@pytest.mark.checkpoint_race", xfail)
    sessions.run(source=nothing).assert_outcomes(failed=1)


def test_code_that_differs_from_run_to_run_is_told_so(sessions: Sessions) -> None:
    source = "    seen = []\n" + marked(body="seen.append(0); (rank.root / str(len(seen))).touch()")
    result = sessions.run(source=source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["checkpoint_race: the code under test is not deterministic: *"])


def test_what_reaches_the_real_disk_is_no_race(sessions: Sessions) -> None:
    result = sessions.run(source=marked(body='work(rank); open("/opt/escaped", "w")'))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["checkpoint_race: rank 0 reached past the simulation: *"])
    assert sessions.kept == []


def test_asserts_count(sessions: Sessions) -> None:
    body = 'work(rank); rank.barrier(); assert len(os.listdir(rank.root)) == 5, "files are missing"'
    result = sessions.run(source=marked(body=body))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E       AssertionError: files are missing", "E       assert 4 == 5", "*rank * raised AssertionError*"]
    )


def test_a_restart_is_judged_where_the_marker_says_what_it_would_pick(sessions: Sessions) -> None:
    """A marker that comes before the shard: a restart may find one without the other."""
    source = """
        import pytest

        def pick(root):
            return root if (root / "marker").exists() else None

        @pytest.mark.checkpoint_race(nodes=2, pick=pick, schedules=300, seed=1)
        def test_save(rank):
            if rank.index == 0:
                (rank.root / "marker").touch()
            (rank.root / f"shard{rank.index}").write_bytes(b"state")
            rank.saved(1)
    """
    result = sessions.run(source=source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["complete: a restart picks ., which lacks shard0, shard1"])


def test_faults_and_own_invariants_are_handed_on(sessions: Sessions) -> None:
    source = """
        import pytest, simulator

        def survivors_tidy_up(world):
            return "left" if len(list(world.root.iterdir())) == 1 else None

        @pytest.mark.checkpoint_race(
            faults=simulator.Faults(kills=1), restarts=0, invariants=[simulator.at_end(survivors_tidy_up)],
            schedules=300, seed=1,
        )
        def test_save(rank):
            (rank.root / f"a{rank.index}").touch()
    """
    result = sessions.run(source=source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["survivors_tidy_up: left", "*is killed*"])


def test_another_plugin_of_the_environment_does_not_matter_here(
    sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """These sessions load the plugin under test alone, whatever else is installed."""
    (tmp_path / "breaking-1.0.dist-info").mkdir()
    (tmp_path / "breaking-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: breaking\nVersion: 1.0\n"
    )
    (tmp_path / "breaking-1.0.dist-info" / "entry_points.txt").write_text("[pytest11]\nbreaking = breaking\n")
    (tmp_path / "breaking.py").write_text("raise RuntimeError('another plugin')\n")
    monkeypatch.syspath_prepend(tmp_path)
    sessions.run(source=REPAIRED).assert_outcomes(passed=1)
    sessions.run_apart().assert_outcomes(passed=1)
