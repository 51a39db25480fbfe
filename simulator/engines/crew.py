"""Work shared among processes: each is forked from a warm one, and none outlives the caller."""

from __future__ import annotations

import select
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from simulator.engines.channel import Channel, Gone
from simulator.engines.template import Template, Worker
from simulator.errors import CannotDo, CkptraceError
from simulator.interruption import Interrupted, look_up

Work = TypeVar("Work")
Made = TypeVar("Made")

_GLANCE = 0.2
"""Seconds between two looks at whether the command is to end."""


def side_by_side(function: Callable[[Work], Made], work: Sequence[Work], processes: int) -> Iterator[Made]:
    """Call a function on each piece of work in so many processes; gives what it returns, in the order of the work.

    When the command is to end, it gives what has come by then, then raises Interrupted. What the function raises is
    raised here; CannotDo where a process dies.
    """
    came: dict[int, Made] = {}
    given = 0
    with Template(_serve(function), _prepare) as template:
        crew = _Crew(template, work, processes)
        try:
            while given < len(work):
                try:
                    came.update(crew.answers())
                except Interrupted:
                    yield from (came[number] for number in sorted(came))
                    raise
                while given in came:
                    yield came.pop(given)
                    given += 1
        finally:
            crew.kill()


class _Crew:
    def __init__(self, template: Template, work: Sequence[Work], processes: int) -> None:
        self._work = work
        self._next = 0
        self._workers = [template.fork() for _ in range(min(processes, len(work)))]
        self._busy: dict[int, tuple[Worker, int]] = {}
        for worker in self._workers:
            self._hand_to(worker)

    def answers(self) -> Iterator[tuple[int, Made]]:
        """What has come, with the number of its work; waits for one. Hands out what is to be done next."""
        look_up()
        ready, _, _ = select.select(list(self._busy), [], [], _GLANCE)
        for descriptor in ready:
            worker, number = self._busy.pop(descriptor)
            try:
                answer = worker.channel.receive()
            except Gone as gone:
                raise CannotDo(f"a process that did a part of the work has died ({gone})") from gone
            if isinstance(answer, CkptraceError):
                raise answer
            if isinstance(answer, _Failed):
                raise RuntimeError(f"in another process:\n{answer.text}")
            self._hand_to(worker)
            yield number, answer

    def kill(self) -> None:
        for worker in self._workers:
            worker.kill()

    def _hand_to(self, worker: Worker) -> None:
        if self._next < len(self._work):
            self._busy[worker.channel.fileno()] = worker, self._next
            worker.channel.send(self._work[self._next])
            self._next += 1


class _Failed:
    """What another process raised that is none of this program's errors."""

    def __init__(self, text: str) -> None:
        self.text = text


def _prepare() -> None:
    torch = sys.modules.get("torch")
    if torch is not None:
        # A thread pool does not survive a fork, and whoever waits for one would hang.
        torch.set_num_threads(1)


def _serve(function: Callable[[Work], Made]) -> Callable[[Channel], None]:
    def body(channel: Channel) -> None:
        while True:
            try:
                work: Work = channel.receive()
            except Gone:
                return
            answer: Made | CkptraceError | _Failed
            try:
                answer = function(work)
            except CkptraceError as error:
                answer = error
            except Exception:
                answer = _Failed(traceback.format_exc())
            try:
                channel.send(answer)
            except Gone:
                return

    return body
