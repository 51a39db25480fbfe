"""Whatever a command has started ends with it, however it ends, and the next one starts as if it had never been."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from simulator.campaigns.command.watched_directory import WatchedDirectory, _lock_file
from simulator.campaigns.replay.disk import _made, _remove_left
from simulator.errors import UsageError
from tests.ending.processes import Started, wait_until
from tests.interposition.kernel import holds
from tests.interposition.programs import experiment, program

WAITING = """
    open(os.path.join(root, f"begun-{rank}"), "w").close()
    while True:
        time.sleep(3600)
"""
LEAVING_A_DAEMON = """
    open(os.path.join(root, f"begun-{rank}"), "w").close()
    there, here = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            open(os.path.join(os.path.dirname(root), f"daemon-{rank}"), "w").close()
            os.write(here, b".")
            while True:
                time.sleep(0.05)
        os._exit(0)
    os.wait()
    os.read(there, 1)
    os.rename(os.path.join(root, f"begun-{rank}"), os.path.join(root, f"ended-{rank}"))
"""
ALONE = """
    open(os.path.join(root, f"a-{rank}"), "w").close()
    os.rename(os.path.join(root, f"a-{rank}"), os.path.join(root, f"b-{rank}"))
"""


def run(directory: Path, body: str, *options: str) -> Started:
    words = [sys.executable, program(directory, body), str(directory / "out")]
    return Started(directory, "run", "--watch", "out", *options, "--", *words)


@holds
@pytest.mark.parametrize(
    ("options", "instant"),
    [
        (["--cold"], "as soon as anything is started"),
        ([], "when a rank is at work"),
        pytest.param(["--cold"], "when a rank is at work", marks=pytest.mark.slow),
        pytest.param([], "as soon as anything is started", marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_leaves_no_process_and_its_directory_to_the_next(
    tmp_path: Path, options: list[str], instant: str
) -> None:
    out = tmp_path / "out"
    command = run(tmp_path, WAITING, *options)
    if instant == "when a rank is at work":
        wait_until(lambda: out.is_dir() and any(out.iterdir()))
    else:
        wait_until(lambda: len(command.everybody()) > 2)
    command.kill(signal.SIGKILL)
    command.end()
    # At once: what is left of the first is being ended and cleaned meanwhile, which the second waits for.
    again = run(tmp_path, ALONE, *options, "--dry")
    assert again.end() == 0, again.printed()
    command.assert_nobody_is_left()
    again.assert_nobody_is_left()
    assert list(out.iterdir()) == []


@holds
@pytest.mark.parametrize("options", [[], pytest.param(["--cold"], marks=pytest.mark.slow)])
def test_a_daemon_that_a_program_leaves_does_not_outlive_its_schedule(tmp_path: Path, options: list[str]) -> None:
    command = run(tmp_path, LEAVING_A_DAEMON, *options, "--schedules", "2")
    code = command.end()
    assert (tmp_path / "daemon-0").exists(), command.printed()
    assert code == 0, command.printed()
    command.assert_nobody_is_left()


def killed_with_all_its_processes(out: Path) -> Path:
    """What a run leaves when nobody is left who could clean; gives the file of its lock."""
    watched = WatchedDirectory(out)
    (out / "checkpoint-1").mkdir(mode=0o500)
    os.close(watched.lock)
    return lock_of(out)


def lock_of(directory: Path) -> Path:
    return _lock_file(directory)


def test_what_is_left_when_every_process_of_a_run_was_killed_is_cleaned_by_the_next(tmp_path: Path) -> None:
    out = tmp_path / "out"
    killed_with_all_its_processes(out)
    again = WatchedDirectory(out)
    assert list(out.iterdir()) == []
    again.release()
    assert not lock_of(out).exists()


def test_what_somebody_has_put_there_since_is_not_touched(tmp_path: Path) -> None:
    out = tmp_path / "out"
    lock = killed_with_all_its_processes(out)
    os.utime(lock, (0, 0))  # As if that had been long ago.
    with pytest.raises(UsageError, match="is not empty"):
        WatchedDirectory(out)
    assert any(out.iterdir())


def test_nor_is_what_lies_under_another_name_than_the_run_had(tmp_path: Path) -> None:
    killed_with_all_its_processes(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "precious")
    with pytest.raises(UsageError, match="is not empty"):
        WatchedDirectory(tmp_path / "precious")


@holds
def test_two_runs_on_one_directory_are_refused_in_one_line(tmp_path: Path) -> None:
    with experiment(tmp_path, ALONE):
        (tmp_path / "link").symlink_to("out")
        command = Started(
            tmp_path, "run", "--watch", "link", "--", sys.executable, str(tmp_path / "program.py"), "link"
        )
        assert command.end() == 2
        [line] = command.printed().splitlines()
        assert f"another ckptrace run (process {os.getpid()}) is at work in it" in line
    with experiment(tmp_path, ALONE):
        pass


def test_a_lock_leaves_nothing_when_it_is_let_go(tmp_path: Path) -> None:
    first = WatchedDirectory(tmp_path / "out")
    with pytest.raises(UsageError, match="at work"):
        WatchedDirectory(tmp_path / "out")
    first.release()
    assert not lock_of(tmp_path / "out").exists()
    WatchedDirectory(tmp_path / "out").release()


def test_the_directory_of_a_killed_replay_on_a_real_disk_is_removed_by_the_next(tmp_path: Path) -> None:
    base, lock = _made(tmp_path)
    (base / "root").mkdir()
    _remove_left(tmp_path)
    assert (base / "root").exists()
    os.close(lock)  # As the end of its process does.
    _remove_left(tmp_path)
    assert list(tmp_path.iterdir()) == []
