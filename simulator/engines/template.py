"""A warm process from which the ranks of each schedule are forked.

Importing torch takes seconds and a fork milliseconds, so one process imports what the programs import and does nothing
but fork. Whatever is forked from it inherits the programs as they are, closures included, and starts from the same
state of every module each time. The controller does not fork the ranks itself: it may have threads, and it changes.

No process outlives the controller, however that ends: each dies with its parent (``PR_SET_PDEATHSIG``).
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import multiprocess
from multiprocess.util import Finalize

from simulator import interruption
from simulator.engines.channel import Channel, Gone
from simulator.errors import CannotDo

_PR_SET_PDEATHSIG: Final = 1
_FORK: Final = multiprocess.get_context("fork")

Body = Callable[..., None]
"""What a forked process does: called with its channel to the controller and the arguments of ``fork``."""


class Worker:
    """A process that was forked from the template."""

    def __init__(self, template: Template, number: int, channel: Channel) -> None:
        self._template = template
        self._number = number
        self._exit: int | None = None
        self.channel = channel

    def kill(self) -> None:
        """SIGKILL, unless it has ended; returns when it is gone and its descriptors are closed."""
        if self._exit is None:
            self._exit = self._template.ask("kill", self._number)
            self.channel.close()

    def wait(self) -> int:
        """Wait for its end. Gives the exit code, or minus the signal that killed it."""
        if self._exit is None:
            self._exit = int(self._template.ask("wait", self._number))
            self.channel.close()
        return self._exit


class Template:
    """The template process. ``prepare`` is called in it first. Close it, or use it in ``with``.

    Raises CannotDo where ``prepare`` fails.
    """

    def __init__(self, body: Body, prepare: Callable[[], None]) -> None:
        if sys.platform != "linux":
            raise CannotDo("ranks in processes of their own need Linux")
        self._channel, theirs = Channel.pair()
        process = _FORK.Process(target=_serve, args=(theirs, self._channel, body, prepare, os.getpid()))
        _start(process)
        theirs.close()
        self.close = Finalize(self, _shut_down, args=(self._channel, process), exitpriority=10)
        try:
            problem = self._channel.receive()
        except Gone:
            problem = "it died at once"
        if problem is not None:
            self.close()
            raise CannotDo(f"the template process did not start: {problem}")

    def __enter__(self) -> Template:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fork(self, *arguments: Any) -> Worker:
        """A new process that runs the body."""
        ours, theirs = Channel.pair()
        with theirs:
            self._channel.send(("fork", arguments))
            self._channel.send_end(theirs)
        number = self._answer()
        if isinstance(number, OSError):
            ours.close()
            raise number
        with suppress(OSError):  # Where a sandbox forbids it, only the closing of the channel tells of a death.
            ours.watch(os.pidfd_open(number))
        return Worker(self, number, ours)

    def ask(self, request: str, argument: Any) -> Any:
        """Have the template do something. Raises CannotDo when it is gone."""
        try:
            self._channel.send((request, argument))
        except Gone as error:
            raise CannotDo("the template process has died") from error
        return self._answer()

    def _answer(self) -> Any:
        try:
            return self._channel.receive()
        except Gone as error:
            raise CannotDo("the template process has died") from error


def die_with(parent: int) -> None:
    """Let the kernel kill this process when ``parent``, which started it, ends for whatever reason."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _start(process: Any) -> None:
    with warnings.catch_warnings():
        # Python 3.12 and newer warn of a fork while there are threads, for locks that these may hold. The child
        # uses none but the interpreter's own, which fork takes care of; idle threads of torch hold none.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()


def _shut_down(channel: Channel, process: Any) -> None:
    # Closing the channel alone says nothing while another template, forked meanwhile, still holds a copy of it.
    with suppress(Gone):
        channel.send(("stop", None))
    channel.close()
    process.join()


def _serve(end: socket.socket, theirs: Channel, body: Body, prepare: Callable[[], None], parent: int) -> None:
    die_with(parent)
    theirs.close()
    # Ctrl-C reaches every process of the terminal; the controller decides what becomes of it.
    interruption.leave_to_the_parent()
    channel = Channel(end)
    try:
        prepare()
    except Exception as error:
        channel.send(f"{type(error).__name__}: {error}")
        return
    channel.send(None)
    gc.collect()
    gc.freeze()
    gc.disable()
    children: dict[int, Any] = {}
    try:
        with suppress(Gone):
            _answer_requests(channel, end, body, children)
    finally:
        for child in children.values():
            child.kill()
        for child in children.values():
            child.join()


def _answer_requests(channel: Channel, end: socket.socket, body: Body, children: dict[int, Any]) -> None:
    while True:
        request, argument = channel.receive()
        if request == "fork":
            theirs = channel.receive_end()
            child = _FORK.Process(target=_begin, args=(end, theirs, body, argument, os.getpid()))
            try:
                _start(child)
            except OSError as error:  # Such as a limit of processes, which whoever asks says in words.
                channel.send(OSError(error.errno, error.strerror))
                theirs.close()
                continue
            theirs.close()
            children[child.pid] = child
            channel.send(child.pid)
        elif request == "stop":
            return
        else:
            child = children.pop(argument)
            if request == "kill":
                child.kill()
            child.join()
            channel.send(child.exitcode)
            child.close()


def _begin(control: socket.socket, end: socket.socket, body: Body, arguments: Sequence[Any], parent: int) -> None:
    die_with(parent)
    control.close()
    body(Channel(end), *arguments)
