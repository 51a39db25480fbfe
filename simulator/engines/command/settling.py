"""Waits until nothing moves: each thread of each rank is held at a call, sleeps in the kernel, or has ended."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

from simulator.engines.command.rank import RankProcess
from simulator.engines.command.silence import Silence
from simulator.engines.command.sleeping import Sleepers, Turn
from simulator.engines.command.stillness import Stillness
from simulator.engines.watchdog import Stuck
from simulator.interposition.threads import Thread
from simulator.narration import ranks_in_words
from simulator.operations import Operation

_FIRST_LOOK: Final = 0.00005
_LONGEST_LOOK: Final = 0.005
"""Seconds between two looks at what moves: doubled each time, up to the second."""
_RESTLESS: Final = 0.05
_RESTLESS_FOR_LONG: Final = 5.0
"""Seconds of unrest after which sleeps end when they would end by themselves: those of threads that nothing is known
of, and those of tasks."""
_GRACE: Final = 2.0
"""Seconds in which a job that can do nothing more may still go on by itself, before it is said to hang."""

_ROUNDS: Final = 3
"""How often that is waited for where only threads move of which nobody has heard."""


class Supervised(Protocol):
    """What is asked of the engine. ``ready``: the tasks that can be granted their call; ``lost``: a rank was killed."""

    ready: list[int]
    lost: bool

    def hear(self, seconds: float) -> bool:
        """Take in what has come in, waiting so long for the first; gives whether anything has."""
        ...

    def admit(self) -> None:
        """Let those of slow ranks that have waited for long enough be chosen."""
        ...

    def check_time(self) -> None:
        """Raise Stuck where the time of the whole run is up."""
        ...


class Settling:
    """Lets the ranks run on between two decisions.

    ``seconds``: how long a rank may make no call. ``guesses`` counts how often everybody seemed to wait and then went
    on by itself.
    """

    def __init__(self, engine: Supervised, ranks: Sequence[RankProcess], seconds: float) -> None:
        self._engine = engine
        self._ranks = ranks
        self._seconds = seconds
        self.sleepers = Sleepers(ranks)
        self.guesses = 0

    def settle(self, granted: int | None = None, operation: Operation | None = None) -> None:
        """Let everybody run until nothing moves. Raises Stuck where somebody runs on for too long.

        Where a rank is lost, others may look for it in vain: then it returns. ``granted``: the thread that has just
        made its step, which was that operation.
        """
        engine = self._engine
        quiet_at = time.monotonic()
        silence = Silence(self._seconds)
        pause = _FIRST_LOOK
        stillness = Stillness()
        self.sleepers.step(granted, operation)
        while True:
            heard = engine.hear(0.0)
            moving, asleep, quiet = [], {}, True
            for rank in self._running():
                moves, asleep[rank.number] = rank.moves()
                if moves:
                    moving.append(rank)
                quiet = quiet and rank.is_quiet_since(asleep[rank.number])
            still = stillness.look(asleep, self._awaited())
            if not moving and not engine.hear(0.0) and not heard and (quiet or still):
                for rank in self._running():
                    rank.note_quiet(asleep[rank.number])
                engine.admit()
                if not self._wake():
                    if engine.ready or not asleep or not self._goes_on_by_itself():
                        return
                    self.guesses += 1
                pause, quiet_at = _FIRST_LOOK, time.monotonic()
            elif time.monotonic() > quiet_at + _RESTLESS:
                self._wake_the_overdue(moving, tasks=time.monotonic() > quiet_at + _RESTLESS_FOR_LONG)
            engine.check_time()
            silent = silence.over(list(self._running()))
            if silent:
                if engine.lost:
                    return  # Who goes on looking for the dead is ended by the launcher.
                raise Stuck(
                    f"{ranks_in_words(silent)} made no call in the watched directory for {self._seconds:g} s "
                    "(--silence waits for longer)"
                )
            engine.hear(pause)
            pause = min(2 * pause, _LONGEST_LOOK)

    def _wake(self) -> bool:
        """End the sleep that is to end next, if there is one."""
        turn = self.sleepers.next(others=bool(self._engine.ready))
        if turn is None:
            return False
        _end(turn)
        return True

    def _wake_the_overdue(self, moving: Iterable[RankProcess], *, tasks: bool) -> None:
        """End the sleeps in ranks that move for long, once they would have ended: such as a lock's that spins."""
        for rank in moving:
            for turn in self.sleepers.overdue(rank, tasks=tasks):
                _end(turn)
                self.guesses += tasks and rank.is_awaited(turn.thread)

    def _goes_on_by_itself(self) -> bool:
        """Whether something still happens although nobody waits to be granted anything.

        A sleep that somebody has begun is waited for, up to the seconds that a rank may be silent. A thread that is no
        task may wake up again and again without an effect on those that are, as gloo's does every 10 ms: it is not
        waited for longer than a few times.
        """
        before = self._awaited_asleep()
        latest = time.monotonic() + self._seconds
        for _ in range(_ROUNDS):
            quiet = sleeping = True
            while quiet and sleeping:
                if self._engine.hear(_GRACE) or any(rank.moves()[0] for rank in self._running()):
                    return True
                quiet = all(rank.is_quiet_since(rank.moves()[1]) for rank in self._running())
                sleeping = time.monotonic() < latest and any(rank.sleeps_for_a_time() for rank in self._running())
            if quiet:
                return False
            if self._awaited_asleep() != before:
                return True
        return False

    def _running(self) -> Iterator[RankProcess]:
        return (rank for rank in self._ranks if not rank.ended)

    def _awaited(self) -> set[int]:
        """The threads that matter to a job: the main ones, and those that have come to a call."""
        return {thread for rank in self._running() for thread in (rank.process, *rank.tasks)}

    def _awaited_asleep(self) -> dict[int, Thread]:
        """Those of them that are not held now, as they sleep."""
        return {
            thread: now
            for rank in self._running()
            for thread, now in rank.moves()[1].items()
            if rank.is_awaited(thread)
        }


def _end(turn: Turn) -> None:
    listener = turn.rank.listener
    assert listener is not None
    del turn.rank.dozing[turn.thread]
    if turn.really:
        listener.let_go(turn.dozing.held)
    else:
        listener.answer(turn.dozing.held)
