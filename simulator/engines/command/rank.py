"""One rank of an unmodified program: its processes, its threads, and those of their calls that wait."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
from contextlib import suppress
from typing import IO

import msgspec

from simulator.errors import CannotDo
from simulator.filesystems import FIRST_DESCRIPTOR
from simulator.interposition.announcements import Raised
from simulator.interposition.listener import Held, Listener
from simulator.interposition.python_frames import PythonFrames, frames_of
from simulator.interposition.python_layout import Described
from simulator.interposition.restarting import Handlers
from simulator.interposition.system_calls import Signature
from simulator.interposition.threads import Thread, descendants, process_of, sleeps_for_a_time, thread_at, threads_of
from simulator.interposition.watching import Watched

_MOST_KEPT = 8_000
"""Bytes of a rank's output that are kept, the last ones."""


class Waiting(msgspec.Struct, frozen=True):
    """A call that is held, and what it is."""

    held: Held
    signature: Signature
    watched: Watched


class Dozing(msgspec.Struct, frozen=True):
    """A sleep that is held. Times are in ns: ``deadline`` on the clock of the run, ``ends`` on the monotonic one.

    ``brief``: it is as short as those of threads that back off from a lock.
    """

    held: Held
    deadline: int
    ends: int
    brief: bool


class RankProcess:
    """The process that was started for a rank, with all that it has started itself."""

    def __init__(self, number: int, process: int, channel: socket.socket, out: IO[bytes], err: IO[bytes]) -> None:
        self.number = number
        self.process = process
        self.death = os.pidfd_open(process)
        self.channel: socket.socket | None = channel
        self.listener: Listener | None = None
        self.armed_by: str | None = None
        self.handlers = Handlers(process, {})
        self.out = out
        self.err = err
        self.ended = False
        self.calls = 0
        """How many calls have been heard of, sleeps apart."""
        self.waiting: dict[int, Waiting] = {}
        """By thread."""
        self.dozing: dict[int, Dozing] = {}
        """The sleeps that are held, by thread."""
        self.tasks: dict[int, int] = {}
        """The number among this rank's tasks, by thread: 0 is the main one."""
        self._numbers: dict[tuple[int, int], int] = {}
        self._opened = 0
        self._quiet: dict[int, Thread] = {}
        self._present: frozenset[int] = frozenset()
        self._frames: PythonFrames | None = None
        self.without_lines = False
        """Whether it is a Python of which no source line can be named."""
        self.raised_at: str | None = None
        """``file:line`` where the exception came from that ended it."""

    def hear(self) -> None:
        """The rank says that it is under the filter now, or that it cannot be. Raises CannotDo for the latter."""
        assert self.channel is not None
        message, descriptors, _, _ = socket.recv_fds(self.channel, 8192, 1)
        self.channel.close()
        self.channel = None
        if message.startswith(b"!"):
            raise CannotDo(f"rank {self.number}: {message[1:].decode('utf-8', 'replace')}")
        if descriptors:
            _, signals, reason = message.split(b"=", 2)
            self.armed_by = reason.decode("utf-8", "backslashreplace")
            known = (each.split(b":") for each in signals.split())
            self.handlers = Handlers(self.process, {int(each): bytes.fromhex(hex.decode()) for each, hex in known})
            self.listener = Listener(descriptors[0])

    def learn(self, said: Raised | Described, thread: int) -> None:
        """A thread of it says how to find the lines of its calls, or where it failed."""
        if isinstance(said, Raised):
            self.raised_at = said.site if thread == self.process else None
        elif process_of(thread) == self.process:
            self._frames = frames_of(said, thread, self.process, self._frames)
            self.without_lines = self._frames is None

    def site_of(self, thread: int) -> str | None:
        """``file:line`` of the call that a thread is held at, where the program is Python and that can be told."""
        return None if self._frames is None else self._frames.site(thread)

    def task_of(self, thread: int) -> int:
        """The number of a thread among this rank's tasks; a new one for a thread that is not known."""
        if thread == self.process:
            return self.tasks.setdefault(thread, 0)
        taken = max(self.tasks.values(), default=0)
        return self.tasks.setdefault(thread, taken + 1)

    def task_number(self, thread: int) -> int:
        """The number of a thread among this rank's tasks, -1 for one that is none yet."""
        return self.tasks.get(thread, -1)

    def is_awaited(self, thread: int) -> bool:
        """Whether the job may depend on it: the main thread, and each that has come to a call."""
        return thread == self.process or thread in self.tasks

    def number_of(self, process: int, descriptor: int) -> int:
        """The simulated number of a descriptor of one of its processes; the next one if it has none yet."""
        known = self._numbers.get((process, descriptor))
        if known is None:
            known = self._numbers[process, descriptor] = FIRST_DESCRIPTOR + self._opened
            self._opened += 1
        return known

    def forget(self, process: int, descriptor: int) -> None:
        """The descriptor was closed, or its number is about to stand for something else."""
        self._numbers.pop((process, descriptor), None)

    def moves(self) -> tuple[bool, dict[int, Thread]]:
        """Whether a thread of it that is not held may be running; and the threads that are not, as they are now.

        A main thread or a task in a sleep that ends by itself is about to run. One of the others may well sleep and
        look again forever, which nothing depends on.
        """
        asleep: dict[int, Thread] = {}
        moving = False
        for process in descendants(self.process):
            for thread in threads_of(process):
                if thread in self.waiting or thread in self.dozing:
                    continue
                now = thread_at(process, thread)
                if now is None:
                    continue
                asleep[thread] = now
                moving = moving or not now.sleeps or (self.is_awaited(thread) and sleeps_for_a_time(thread))
        return moving, asleep

    def sleeps_for_a_time(self) -> bool:
        """Whether one of its threads is in a sleep that ends by itself."""
        return any(
            sleeps_for_a_time(thread)
            for process in descendants(self.process)
            for thread in threads_of(process)
            if thread not in self.waiting and thread not in self.dozing
        )

    def is_quiet_since(self, asleep: dict[int, Thread]) -> bool:
        """Whether these threads have all slept since everything was quiet last."""
        if not all(self._quiet.get(thread) == now for thread, now in asleep.items()):
            return False
        # One that has ended may have woken another just after that was looked at.
        return all(thread in asleep or thread in self.waiting or thread in self.dozing for thread in self._present)

    def note_quiet(self, asleep: dict[int, Thread]) -> None:
        """Everything is quiet, and that is how these threads sleep."""
        self._quiet = asleep
        self._present = frozenset({*asleep, *self.waiting, *self.dozing})

    def kill(self) -> None:
        """End it with all that it has started."""
        for process in list(descendants(self.process)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(self.process, signal.SIGKILL)

    def close(self) -> None:
        """Give back what was needed to hear of it."""
        if self.listener is not None:
            self.listener.close()
            self.listener = None
        if self.channel is not None:
            self.channel.close()
            self.channel = None
        if self.death >= 0:
            os.close(self.death)
            self.death = -1
        self.out.close()
        self.err.close()

    def printed(self) -> str:
        """The end of what it has printed: standard output, then standard error."""
        return _end_of(self.out) + _end_of(self.err)

    def last_words(self) -> str | None:
        """The last line of its standard error that is not indented: of a traceback, the exception."""
        lines = [line for line in _end_of(self.err).splitlines() if line.strip() and not line[0].isspace()]
        return lines[-1] if lines else None


def _end_of(file: IO[bytes]) -> str:
    size = os.fstat(file.fileno()).st_size
    data = os.pread(file.fileno(), _MOST_KEPT, max(0, size - _MOST_KEPT))
    return data.decode("utf-8", "backslashreplace")


def output_file() -> IO[bytes]:
    """A file without a name for what a rank prints."""
    return tempfile.TemporaryFile(buffering=0)
