"""A failure is kept, replayed first, and forgotten once its test passes it."""

from __future__ import annotations

import pytest

from simulator import trace as traces
from tests.pytest_plugin.sessions import RACY, REPAIRED, Sessions, marked


def test_a_failure_is_replayed_first_until_it_passes(sessions: Sessions) -> None:
    sessions.run(source=RACY).assert_outcomes(failed=1)
    (kept,) = sessions.kept
    digest = traces.load(kept).digest
    again = sessions.run("--ckptrace-schedules=1")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["found   in an earlier run; it is replayed first until it passes"])
    assert traces.load(kept).digest == digest
    sessions.run("--ckptrace-schedules=1", source=REPAIRED).assert_outcomes(passed=1)
    assert sessions.kept == []
    sessions.run("--ckptrace-schedules=1", source=RACY).assert_outcomes(passed=1)


def test_so_is_one_that_certify_found(sessions: Sessions) -> None:
    certified = RACY.replace("schedules=200, seed=1", "certify=True")
    sessions.run(source=certified).assert_outcomes(failed=1)
    sessions.run(source=certified).stdout.fnmatch_lines(["found   in an earlier run; *"])
    told = sessions.reported(source=certified.replace("if staging.exists():", "if rank.index == 0:"))
    assert told["ckptrace_verdict"] == "certified"
    assert sessions.kept == []


def test_a_failure_that_is_another_since_the_code_changed_is_explained_anew(sessions: Sessions) -> None:
    sessions.run(source=RACY)
    before = traces.load(sessions.kept[0])
    sessions.run("--ckptrace-schedules=1", source=RACY.replace("checkpoint-1", "checkpoint-one"))
    after = traces.load(sessions.kept[0])
    assert after.digest != before.digest
    assert after.verdict is not None
    assert after.explanation is not None


def test_each_test_has_its_own(sessions: Sessions) -> None:
    body = 'work(rank); assert number == "a/../b"'
    source = marked(body=body, arguments="number").replace(
        "@pytest", '@pytest.mark.parametrize("number", ["a/../b", "x::y", "x/y", "ü" * 300])\n    @pytest', 1
    )
    sessions.run(source=source).assert_outcomes(passed=1, failed=3)
    names = [path.name for path in sessions.kept]
    assert len(names) == 3
    assert all(name.isascii() and len(name) < 130 for name in names)
    sessions.run("--ckptrace-schedules=1").assert_outcomes(passed=1, failed=3)
    assert [path.name for path in sessions.kept] == names


def test_a_failure_of_another_job_is_forgotten(sessions: Sessions) -> None:
    """With more kills allowed than now, say: its schedule cannot happen any more."""
    source = """
        import os, pytest, simulator

        @simulator.at_end
        def lost(world):
            return "lost" if len(os.listdir(world.root)) < 2 else None

        @pytest.mark.checkpoint_race(faults=simulator.Faults(kills=1), invariants=[lost], schedules=100, seed=1)
        def test_save(rank):
            (rank.root / f"{rank.index}").touch()
    """
    sessions.run(source=source).assert_outcomes(failed=1)
    assert len(sessions.kept) == 1
    sessions.run(source=source.replace("kills=1", "kills=0")).assert_outcomes(passed=1)
    assert sessions.kept == []


@pytest.mark.parametrize("torn", [b"", b"{", b"\xff", b'{"format": 999}'])
def test_what_is_no_whole_trace_counts_as_none(sessions: Sessions, torn: bytes) -> None:
    sessions.run(source=RACY)
    sessions.kept[0].write_bytes(torn)
    result = sessions.run(source=REPAIRED)
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*CheckpointRaceWarning: a kept failure cannot be replayed: *"])
    assert sessions.kept == []


def test_a_session_that_is_killed_while_it_keeps_a_failure_leaves_nothing_torn(sessions: Sessions) -> None:
    sessions.write(RACY)
    (sessions.root / "conftest.py").write_text(
        "import os\ndef killing(function):\n    def killed(a, b, **how):\n        if str(b).endswith('.json'):\n"
        "            os._exit(9)\n        function(a, b, **how)\n    return killed\n"
        "os.replace, os.link = killing(os.replace), killing(os.link)\n"
    )
    assert sessions.run_apart().ret == 9
    assert [path for path in sessions.kept if path.suffix == ".json"] == []
    (sessions.root / "conftest.py").unlink()
    result = sessions.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["found   in schedule *"])


def test_version_control_leaves_failures_alone(sessions: Sessions) -> None:
    sessions.run(source=RACY)
    assert (sessions.root / ".ckptrace" / ".gitignore").read_text().splitlines()[-1] == "*"


def test_where_nothing_can_be_kept_the_failure_is_still_told(sessions: Sessions) -> None:
    (sessions.root / ".ckptrace").write_text("a file")
    result = sessions.run(source=RACY)
    result.assert_outcomes(failed=1, warnings=1)
    result.stdout.fnmatch_lines(["violated  no-error: *", "*CheckpointRaceWarning: the failure cannot be kept: *"])
