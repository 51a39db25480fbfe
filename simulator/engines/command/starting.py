"""Starts the processes of the ranks: forked from one that has imported everything, or each anew."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from simulator.engines.command.program import TARGET, Command, base_environment, launched
from simulator.errors import CannotDo

_LONGEST = 1 << 16


class Starter(Protocol):
    """Starts ranks. Nothing that it has started outlives ``close``."""

    def start(self, environment: Mapping[str, str], channel: socket.socket, out: int, err: int) -> int:
        """Start a rank; gives its process id. It sends its listener on ``channel``, and prints to ``out``, ``err``."""
        ...

    def ended(self, process: int) -> int:
        """Wait for a rank's end; gives its exit code, or minus the signal that ended it."""
        ...

    def close(self) -> None:
        """Nothing more will be started."""
        ...


class Cold:
    """Starts each rank as the user would: a new process, with all its imports."""

    def __init__(self, command: Command, directory: Path) -> None:
        self._directory = directory
        self._words = list(command.words) if command.is_python else launched(command)
        self._started: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, environment: Mapping[str, str], channel: socket.socket, out: int, err: int) -> int:
        """See ``Starter.start``."""
        try:
            process = subprocess.Popen(
                self._words,
                env=base_environment() | dict(environment) | {"CKPTRACE_CHANNEL": str(channel.fileno())},
                pass_fds=(channel.fileno(),),
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        except OSError as error:
            raise CannotDo(f"{self._words[0]}: {error.strerror}") from error
        self._started[process.pid] = process
        return process.pid

    def ended(self, process: int) -> int:
        """See ``Starter.ended``."""
        return self._started.pop(process).wait()

    def close(self) -> None:
        """See ``Starter.close``."""
        for process in self._started.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._started.clear()


class Warm:
    """Forks each rank from a process of the program's own interpreter, which learns what to have imported."""

    def __init__(self, command: Command, directory: Path) -> None:
        self._command = command
        self._directory = directory
        handle, self._report = tempfile.mkstemp(prefix="ckptrace-modules-")
        os.close(handle)
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [*command.interpreter, str(Path(TARGET) / "ckptrace_zygote.py"), str(theirs.fileno())]
        self._process = subprocess.Popen(
            words,
            env=base_environment(),
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=sys.stderr,
            start_new_session=True,
        )
        theirs.close()

    def start(self, environment: Mapping[str, str], channel: socket.socket, out: int, err: int) -> int:
        """See ``Starter.start``."""
        request = {
            "kind": "fork",
            "environment": base_environment() | dict(environment),
            "directory": str(self._directory),
            "program": self._command.program,
            "module": self._command.module,
            "arguments": [self._command.program, *self._command.rest],
            "report": self._report,
        }
        return int(self._ask(request, [channel.fileno(), out, err])["pid"])

    def ended(self, process: int) -> int:
        """See ``Starter.ended``."""
        status = self._ask({"kind": "wait", "pid": process})["status"]
        return 0 if status is None else os.waitstatus_to_exitcode(status)

    def learn(self) -> int:
        """Import what a rank has imported that has ended by itself; gives the number of modules that could be."""
        modules = Path(self._report).read_text(encoding="utf-8").split()
        return int(self._ask({"kind": "import", "modules": modules})["imported"]) if modules else 0

    def close(self) -> None:
        """See ``Starter.close``."""
        self._channel.close()
        with suppress(FileNotFoundError):
            os.unlink(self._report)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _ask(self, request: dict[str, Any], descriptors: Sequence[int] = ()) -> dict[str, Any]:
        data = json.dumps(request).encode()
        try:
            socket.send_fds(self._channel, [data], list(descriptors))
            answer = self._channel.recv(_LONGEST)
        except OSError:
            answer = b""
        if not answer:
            raise CannotDo(
                f"the process from which the ranks are forked died (exit code {self._process.wait()}); "
                "--cold starts each rank anew"
            )
        found: dict[str, Any] = json.loads(answer)
        return found
