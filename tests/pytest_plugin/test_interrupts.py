"""What ends a test from outside, or is pytest's own business, is no finding about the code under test."""

from __future__ import annotations

import signal

import pytest

import simulator
from simulator.engines.watchdog import watchdog
from simulator.rank import Rank
from tests.pytest_plugin.sessions import Sessions, marked


def test_an_interrupt_ends_the_session_and_is_no_failure_of_a_rank(sessions: Sessions) -> None:
    sessions.write(marked(body="work(rank); raise KeyboardInterrupt"))
    result = sessions.run_apart()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*KeyboardInterrupt*"])
    assert sessions.kept == []


def test_neither_is_it_one_for_those_who_call_from_python() -> None:
    def program(rank: Rank) -> None:
        (rank.root / str(rank.index)).touch()
        if rank.index:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulator.explore(program, seed=0)


def test_a_test_that_is_not_for_here_is_skipped(sessions: Sessions) -> None:
    sessions.run(source=marked(body='pytest.importorskip("no_such_module")')).assert_outcomes(skipped=1)
    sessions.run(source=marked(body='pytest.xfail("known")')).assert_outcomes(xfailed=1)


def test_one_that_only_some_schedule_skips_is_not(sessions: Sessions) -> None:
    body = 'rank.index == 0 and (rank.root / "a1").exists() and pytest.skip("late"); work(rank)'
    result = sessions.run(source=marked(body=body))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["no-error: rank 0 raised Skipped: late"])


def test_a_rank_may_end_the_session(sessions: Sessions) -> None:
    result = sessions.run(source=marked(body='pytest.exit("enough", 7)'))
    assert result.ret == 7
    result.stdout.fnmatch_lines(["*Exit: enough*"])


def test_an_alarm_of_somebody_else_rings_outside_the_ranks(sessions: Sessions) -> None:
    """As the time-out of a test does; it must not be lost, nor taken for what a rank raised."""
    source = """
        import signal
    """ + marked("schedules=1000000, seed=1")
    (sessions.root / "conftest.py").write_text(
        "import pytest, signal\n"
        "def ring(number, frame):\n    pytest.fail('the test takes too long')\n"
        "@pytest.hookimpl(wrapper=True)\n"
        "def pytest_runtest_call(item):\n"
        "    signal.signal(signal.SIGALRM, ring)\n    signal.setitimer(signal.ITIMER_REAL, 0.3)\n    return (yield)\n"
    )
    result = sessions.run(source=source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *Failed: the test takes too long"])
    assert sessions.kept == []


def test_the_watchdog_gives_an_alarm_back_with_what_is_left_of_it() -> None:
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 1000.0, 7.0)
    try:
        with watchdog(60.0):
            assert signal.getitimer(signal.ITIMER_REAL)[0] <= 60.0
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        assert 900.0 < left < 1000.0
        assert interval == 7.0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
