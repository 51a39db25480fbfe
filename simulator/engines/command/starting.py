"""Starts the processes of the ranks: forked from one that has imported everything, or each anew."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from simulator.engines.command import guardian
from simulator.engines.command.program import TARGET, Command, base_environment, launched
from simulator.errors import CannotDo, limit_reached

_LONGEST = 1 << 16


class Starter(Protocol):
    """Starts ranks. Nothing that it has started, or that they have started, outlives ``close``."""

    def start(self, environment: Mapping[str, str], channel: socket.socket, out: int, err: int) -> int:
        """Start a rank; gives its process id. It sends its listener on ``channel``, and prints to ``out``, ``err``."""
        ...

    def ended(self, process: int) -> int:
        """Wait for a rank's end; gives its exit code, or minus the signal that ended it."""
        ...

    def sweep(self) -> None:
        """All ranks have ended: kill what they have left behind, daemons included."""
        ...

    def close(self) -> None:
        """Nothing more will be started. The watched directory is empty afterwards."""
        ...


class Guard:
    """The supervisor's side of the process that all others are started by; see ``guardian``.

    ``lock`` is the descriptor of the lock on the directory ``watched``, which that process holds as long as it lives.
    """

    def __init__(self, lock: int, watched: Path) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [sys.executable, "-I", "-S", guardian.__file__, str(theirs.fileno()), str(lock), str(watched)]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    words,
                    pass_fds=(theirs.fileno(), lock),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except BaseException:
                self._channel.close()
                raise

    def start(
        self, words: Sequence[str], environment: Mapping[str, str], directory: Path, named: str, descriptors: list[int]
    ) -> int:
        """Start a process; gives its id.

        ``descriptors`` are its channel, whose number it finds in the variable ``named``, its standard output and error.
        Raises CannotDo, naming what is to be started, where that is not possible.
        """
        request = {
            "kind": "start",
            "words": list(words),
            "environment": dict(environment),
            "directory": str(directory),
            "channel": named,
        }
        answer = self._ask(request, descriptors)
        if "errno" in answer:
            raise CannotDo(f"{words[0]}: cannot be started: {refused(answer['call'], answer['errno'])}")
        return int(answer["pid"])

    def ended(self, process: int) -> int | None:
        """Wait for a process that was started; gives its status, as wait(2) does, None where it is not known."""
        status: int | None = self._ask({"kind": "wait", "pid": process})["status"]
        return status

    def sweep(self, keep: int = -1) -> None:
        """Kill all processes, those that a program has left behind included, except for ``keep``."""
        self._ask({"kind": "sweep", "keep": keep})

    def close(self) -> None:
        """Kill all processes and empty the watched directory; returns when that is done."""
        self._channel.close()
        self._process.wait()

    def _ask(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> dict[str, Any]:
        answer = ask(self._channel, request, descriptors)
        if answer is None:
            raise CannotDo(
                f"the process that starts the ranks has died (exit code {self._process.wait()}); what they left is "
                "cleaned by the next start"
            )
        return answer


def ask(channel: socket.socket, request: dict[str, Any], descriptors: Sequence[int] = ()) -> dict[str, Any] | None:
    """Send a request with descriptors; gives the answer, None where nobody is there any more."""
    try:
        socket.send_fds(channel, [json.dumps(request).encode()], list(descriptors))
        data = channel.recv(_LONGEST)
    except OSError:
        return None
    answer: dict[str, Any] | None = json.loads(data) if data else None
    return answer


def refused(call: str, number: int) -> str:
    """Why a process could not be started, in words."""
    limit = limit_reached(OSError(number, "")) if call == "fork" or number != errno.EAGAIN else None
    return limit or os.strerror(number)


class Cold:
    """Starts each rank as the user would: a new process, with all its imports."""

    def __init__(self, command: Command, directory: Path, guard: Guard) -> None:
        self._directory = directory
        self._words = list(command.words) if command.is_python else launched(command)
        self._guard = guard

    def start(self, environment: Mapping[str, str], channel: socket.socket, out: int, err: int) -> int:
        """See ``Starter.start``."""
        merged = base_environment() | dict(environment)
        descriptors = [channel.fileno(), out, err]
        return self._guard.start(self._words, merged, self._directory, "CKPTRACE_CHANNEL", descriptors)

    def ended(self, process: int) -> int:
        """See ``Starter.ended``."""
        return _exit_code(self._guard.ended(process))

    def sweep(self) -> None:
        """See ``Starter.sweep``."""
        self._guard.sweep()

    def close(self) -> None:
        """See ``Starter.close``."""
        self._guard.close()


class Warm:
    """Forks each rank from a process of the program's own interpreter, which learns what to have imported."""

    def __init__(self, command: Command, directory: Path, guard: Guard) -> None:
        self._command = command
        self._directory = directory
        self._guard = guard
        self._report = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [*command.interpreter, str(Path(TARGET) / "ckptrace_zygote.py")]
        with theirs, open(os.devnull, "wb") as nothing:
            self._process = guard.start(
                words, base_environment(), Path.cwd(), "CKPTRACE_REQUESTS", [theirs.fileno(), nothing.fileno(), 2]
            )

    def start(self, environment: Mapping[str, str], channel: socket.socket, out: int, err: int) -> int:
        """See ``Starter.start``."""
        request = {
            "kind": "fork",
            "environment": base_environment() | dict(environment),
            "directory": str(self._directory),
            "program": self._command.program,
            "module": self._command.module,
            "arguments": [self._command.program, *self._command.rest],
        }
        answer = self._ask(request, [channel.fileno(), out, err, self._report.fileno()])
        if "errno" in answer:
            raise CannotDo(f"{self._command.words[0]}: cannot be started: {refused('fork', answer['errno'])}")
        return int(answer["pid"])

    def ended(self, process: int) -> int:
        """See ``Starter.ended``."""
        return _exit_code(self._ask({"kind": "wait", "pid": process})["status"])

    def learn(self) -> int:
        """Import what a rank has imported that has ended by itself; gives the number of modules that could be."""
        size = os.fstat(self._report.fileno()).st_size
        modules = os.pread(self._report.fileno(), size, 0).decode("utf-8", "surrogateescape").split()
        return int(self._ask({"kind": "import", "modules": modules})["imported"]) if modules else 0

    def sweep(self) -> None:
        """See ``Starter.sweep``."""
        self._guard.sweep(keep=self._process)

    def close(self) -> None:
        """See ``Starter.close``."""
        self._channel.close()
        self._report.close()
        self._guard.close()

    def _ask(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> dict[str, Any]:
        answer = ask(self._channel, request, descriptors)
        if answer is None:
            code = _exit_code(self._guard.ended(self._process))
            raise CannotDo(
                f"the process from which the ranks are forked died (exit code {code}); --cold starts each rank anew"
            )
        return answer


def _exit_code(status: int | None) -> int:
    return 0 if status is None else os.waitstatus_to_exitcode(status)
