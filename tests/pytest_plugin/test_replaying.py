"""The command that a failure prints runs exactly its schedule; the other commands know such traces."""

from __future__ import annotations

import shlex

import pytest

from simulator import trace as traces
from simulator.cli import main
from tests.pytest_plugin.sessions import RACY, REPAIRED, Sessions, marked


def printed(result: pytest.RunResult) -> list[str]:
    """The arguments of the command that the session printed."""
    (line,) = [line for line in result.outlines if line.startswith("replay  pytest ")]
    return shlex.split(line)[2:]


def test_the_printed_command_runs_the_recorded_schedule(sessions: Sessions) -> None:
    command = printed(sessions.run(source=RACY))
    digest = traces.load(sessions.kept[0]).digest
    told = sessions.reported(*command)
    assert (told["ckptrace_digest"], told["ckptrace_schedules"]) == (digest, 1)


def test_it_does_for_a_test_with_a_name_that_the_shell_would_read(sessions: Sessions) -> None:
    source = marked(body='work(rank); assert name == "passes"', arguments="name").replace(
        "@pytest", '@pytest.mark.parametrize("name", ["a b[c]/../$d"])\n    @pytest', 1
    )
    command = printed(sessions.run(source=source))
    result = sessions.run(*command)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["found   replayed on the model: 1 schedule"])


def test_a_replay_neither_keeps_nor_forgets(sessions: Sessions) -> None:
    command = printed(sessions.run(source=RACY))
    kept = sessions.kept[0].read_bytes()
    sessions.run(*command, source=REPAIRED).assert_outcomes(passed=1)
    assert sessions.kept[0].read_bytes() == kept


def test_it_runs_on_a_real_disk_too(sessions: Sessions) -> None:
    command = printed(sessions.run(source=RACY))
    result = sessions.run(*command, "--ckptrace-on=real")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["found   replayed on a real disk: 1 schedule"])


def test_a_trace_belongs_to_one_test(sessions: Sessions) -> None:
    sessions.run(source=RACY)
    trace = str(sessions.kept[0])
    result = sessions.run(f"--ckptrace-replay={trace}", source=RACY.replace("test_save", "test_other"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"checkpoint_race: {trace}: it is a trace of test_it.py::test_save"])
    result = sessions.run(f"--ckptrace-replay={trace}", source=RACY.replace("seed=1", "nodes=3"))
    result.stdout.fnmatch_lines([f"checkpoint_race: {trace}: the test has another cluster, *"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--ckptrace-replay=missing.json"], "*--ckptrace-replay: missing.json: No such file or directory"),
        (["--ckptrace-replay=test_it.py"], "*--ckptrace-replay: test_it.py: not a whole trace file: *"),
        (["--ckptrace-on=real"], "*--ckptrace-on: only for --ckptrace-replay TRACE"),
        (["--ckptrace-schedules=0"], "*--ckptrace-schedules: must be at least 1, is 0"),
        (["--ckptrace-seed=x"], "*--ckptrace-seed: invalid int value: 'x'"),
    ],
)
def test_options_that_make_no_sense_are_told_in_one_line(
    sessions: Sessions, arguments: list[str], complaint: str
) -> None:
    result = sessions.run(*arguments, source=RACY)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([complaint])


def test_ckptrace_shows_such_a_trace_and_says_what_replays_it(
    sessions: Sessions, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions.run(source=RACY)
    (trace,) = sessions.kept
    capsys.readouterr()
    assert main(["show", str(trace)]) == 0
    assert "rank 1 raised FileNotFoundError" in capsys.readouterr().out
    assert main(["replay", str(trace)]) == 2
    said = capsys.readouterr().err
    assert "pytest test_it.py::test_save --ckptrace-replay" in said
    assert len(said.splitlines()) == 1
