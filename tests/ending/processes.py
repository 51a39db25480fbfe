"""Commands as processes of their own, which can be killed, and all that they have started found."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_MARK = "CKPTRACE_TESTS_SESSION"
PATIENCE = 30.0
"""Seconds of a loaded machine after which what was waited for is not coming."""


class Started:
    """``ckptrace`` with arguments, in a directory; whatever it starts is known by a variable of its environment."""

    def __init__(self, directory: Path, *arguments: str | Path) -> None:
        self.mark = f"{_MARK}={uuid.uuid4().hex}"
        name, _, value = self.mark.partition("=")
        self.out, self.err = directory / ".out", directory / ".err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ckptrace", *map(str, arguments)],
                cwd=directory,
                env=os.environ | {name: value},
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def everybody(self) -> list[int]:
        """The processes that run, the command's own included."""
        return processes_with(self.mark)

    def processor_time(self) -> float:
        """Seconds that the command itself has computed."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self, number: int, *, group: bool = False) -> None:
        """Send the command a signal, or its whole process group, as a terminal does."""
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def end(self, seconds: float = PATIENCE) -> int:
        """Wait for its end; gives the exit code, or minus the signal. Fails, with what it printed, after a while."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            left = [command_line(process) for process in self.everybody()]
            self.discard()
            raise AssertionError(f"it goes on: {left}\n{self.printed()}") from None

    def assert_nobody_is_left(self) -> None:
        """All that it has started ends without anybody's doing."""
        try:
            wait_until(lambda: not self.everybody())
        except AssertionError:
            left = [command_line(process) for process in self.everybody()]
            self.discard()
            raise AssertionError(f"outlives the command: {left}") from None

    def discard(self) -> None:
        """Kill whatever is left of it."""
        while left := self.everybody():
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self.process.poll()
            time.sleep(0.01)
        self.process.wait()

    def printed(self) -> str:
        """What it has printed, standard error behind standard output."""
        return self.out.read_text(errors="replace") + self.err.read_text(errors="replace")


def wait_until(reached: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Look again and again until it is so; fails after a while."""
    latest = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < latest, "it never came to that"
        time.sleep(0.005)


def processes_with(mark: str) -> list[int]:
    """The processes that run with that in the environment that they were started with."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                environment = Path(f"/proc/{name}/environ").read_bytes()
                ended = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()[0] in b"ZX"
            except OSError:
                continue
            if not ended and mark.encode() in environment.split(b"\0"):
                found.append(int(name))
    return found


def command_line(process: int) -> str:
    """The words of a process, for a message."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "gone"
