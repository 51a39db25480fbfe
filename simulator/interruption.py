"""A request to end a command: SIGINT, SIGTERM or SIGHUP, taken in at one place, with what was found so far kept.

A command runs ``interruptible``. There a signal is noted, and whatever goes on for long asks by ``look_up``, which
raises Interrupted. Work whose results so far must not be lost stands in ``leaving``, which ends then. So no code under
test is disturbed, and no search is left in the middle of a change.

Who does not ask (a rank that computes for ever, a wait for another process) has it raised after a second, again a
second later, and in the end the process ends. A second signal raises at once, a third one ends the process. What writes
results is ``finishing`` and is left to do so. A signal that was ignored when the command began (nohup) stays so.
"""

from __future__ import annotations

import os
import signal
import threading
from _thread import allocate_lock, start_new_thread
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE: Final = 1.0
"""Seconds after which an end is insisted on."""
_RAISED: Final = 3
"""So often at most. Then the process is ended as it stands: its files are whole or absent anyway."""
_CANNOT_DO: Final = 3


class Interrupted(KeyboardInterrupt):
    """Somebody asked the command to end. The text says by what."""


class Left:
    """Whether a block was left early: ``by`` says by what, in words."""

    by: str | None = None


class _Request:
    """What is known of signals while a command runs."""

    def __init__(self) -> None:
        self.by: str | None = None
        self.number = 0
        self.told = False
        self.finishing = 0
        self.signals = 0
        self.insisting = False
        self.came = allocate_lock()
        self.came.acquire()
        self.over = allocate_lock()
        self.over.acquire()

    def note(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        insisted, self.insisting = self.insisting, False
        first = self.by is None
        if first:
            self.by = f"interrupted ({signal.Signals(number).name})"
            self.number = number
            self.came.release()
        self.signals += not insisted
        if self.signals >= _RAISED:
            self.end()
        if first or self.finishing:
            return
        raise Interrupted(self.by)

    def insist(self, thread: int) -> None:
        """In a thread of its own: once there was a signal, repeat it until the command has ended."""
        self.came.acquire()
        for _ in range(_RAISED):
            if self.over.acquire(timeout=_PATIENCE):
                return
            self.insisting = True
            signal.pthread_kill(thread, self.number)
        while not self.over.acquire(timeout=_PATIENCE):
            if not self.finishing:
                self.end()

    def end(self) -> None:
        """At once, with nothing else done."""
        os.write(2, f"ckptrace: {self.by}\n".encode())
        os._exit(_CANNOT_DO)


# Of a process, as signal handlers are.
_current: _Request | None = None


@contextmanager
def interruptible() -> Iterator[None]:
    """Take in signals. Within another such block, or beside the main thread, this does nothing."""
    global _current
    if _current is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    _current = request = _Request()
    usual = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with suppress(RuntimeError):  # Where no more threads may be started, nobody insists.
            start_new_thread(request.insist, (threading.get_ident(),))
        for number, handler in usual.items():
            if handler not in (signal.SIG_IGN, None):
                signal.signal(number, request.note)
        yield
    finally:
        for number, handler in usual.items():
            if handler not in (signal.SIG_IGN, None):
                signal.signal(number, handler)
        _current = None
        request.over.release()
        if request.by is None:
            request.came.release()


def asked() -> str | None:
    """In words that the command is to end, if it is."""
    return None if _current is None else _current.by


def look_up() -> None:
    """Raise Interrupted if the command is to end, and no block was left because of that yet."""
    if _current is not None and _current.by is not None and not _current.told:
        raise Interrupted(_current.by)


@contextmanager
def leaving() -> Iterator[Left]:
    """A block that is left when the command is to end; what follows it goes on with what there is by then."""
    request, left = _current, Left()
    if request is None:
        yield left
        return
    try:
        yield left
    except Interrupted as interrupted:
        left.by = str(interrupted)
        request.told = True


@contextmanager
def finishing() -> Iterator[None]:
    """A block that a signal does not disturb, such as the writing of results; a third one ends the process."""
    request = _current
    if request is None:
        yield
        return
    request.finishing += 1
    try:
        yield
    finally:
        request.finishing -= 1


def leave_to_the_parent() -> None:
    """In a process that another one has started, which decides what becomes of it and is never outlived by it."""
    global _current
    _current = None
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
