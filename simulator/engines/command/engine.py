"""The engine whose ranks are processes of an unmodified program; each stops at its calls in the watched directory.

After a grant everybody runs on until nothing moves any more: each thread of each rank is held at a call, sleeps in
the kernel, or has ended. A thread that slept at two looks without having run between, while no call came in, waits
for something that another one has to do, since what wakes it (a message on a socket, a lock) does so before the one
who did it comes to its own next call. So the next decision depends on what the ranks did, and not on how fast.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import time
from bisect import insort
from contextlib import suppress
from typing import Final

from simulator import interruption
from simulator.boundary.printing import Output
from simulator.clock import EPOCH
from simulator.engines.charging import Charging
from simulator.engines.collectives import Mismatch
from simulator.engines.command.patience import Patience
from simulator.engines.command.program import rank_environment
from simulator.engines.command.rank import RankProcess, Waiting, output_file
from simulator.engines.command.settling import Settling
from simulator.engines.command.starting import Starter
from simulator.engines.conditions import Conditions
from simulator.engines.interface import Effects, Ending, Instead, Saved, Step, Strike, default_task
from simulator.engines.watchdog import Stuck
from simulator.errors import UsageError
from simulator.interposition.announcements import Announcement, announced
from simulator.interposition.arguments import descriptor_of
from simulator.interposition.carrying import Carrier, Outcome
from simulator.interposition.memory import Unreadable
from simulator.interposition.naming import Names, undrawn
from simulator.interposition.system_calls import SIGNALS, SLEEPS, signatures
from simulator.interposition.threads import process_of
from simulator.interposition.time_limits import duration_of
from simulator.interposition.watching import Unseen, Watch
from simulator.operations import Close, Open, Operation, Readdir, paths_of
from simulator.trace import Meeting

_TICK: Final = 1_000
_NO_LIMIT: Final = float("inf")
_UNKNOWN: Final = 1 << 32
"""Greater than the number of any task."""


class ProgramFailed(Exception):
    """A rank's process ended with an exit code that is not 0, or by a signal. The text is its last words."""


class CommandEngine:
    """Runs one attempt of a job; implements ``engines.interface.Engine``.

    Task r is the main thread of rank r, r + k * world size its k-th other thread or child process that came to a call.
    After ``wall`` seconds the attempt is broken off with Stuck. So it is after ``until`` (of ``time.monotonic``), and
    ``out_of_time`` says so.
    ``guesses`` counts how often everybody seemed to wait and then went on by itself: as long as it is 0, waiting meant
    waiting each time.
    """

    def __init__(
        self,
        starter: Starter,
        watch: Watch,
        conditions: Conditions,
        *,
        world_size: int,
        ranks_per_node: int,
        late: bool,
        seconds: float,
        until: float | None = None,
        wall: float = _NO_LIMIT,
    ) -> None:
        self._starter = starter
        self._watch = watch
        self._ranks_per_node = ranks_per_node
        self._late = late
        self._until = until
        self._wall = wall
        self._started = time.monotonic()
        self.out_of_time = False
        self._signatures = signatures()
        self._ranks: list[RankProcess] = []
        self._settling = Settling(self, self._ranks, seconds)
        self._counts: dict[int, int] = {}
        self._times = [conditions.start] * world_size
        self._poll = select.poll()
        self._by_descriptor: dict[int, RankProcess] = {}
        self.world_size = world_size
        self.attempt = conditions.attempt
        self.ready: list[int] = []
        self.pending: dict[int, Operation] = {}
        self.steps: list[Step] = []
        self.endings: dict[int, Ending] = {}
        self.failed: list[int] = []
        self.mismatch: Mismatch | None = None
        self.output: dict[int, Output] = {}
        self.saved: dict[int, int] = {}
        self.saves: list[Saved] = []
        self.resumed: dict[int, tuple[int, str]] = {}
        self.looks: list[tuple[int, int, str]] = []
        self.late_looks: list[tuple[int, int, str]] = []
        self.record_effects = False
        self.initial = Effects()
        self.strike: Strike | None = None
        self.charging: Charging | None = None
        self.lost = False
        self._names = Names()
        self._carrier = Carrier()
        self.unseen: set[str] = set()
        """What changed the watched directory, or may have, without a call that was held: in words."""
        self.dismissed = 0
        self._held: dict[int, tuple[RankProcess, int]] = {}
        self._patience = Patience(conditions.slowdowns, world_size)
        self._postponed: dict[int, Operation] = {}
        self._announced: list[tuple[RankProcess, int, int, Announcement]] = []
        self._arrived: list[tuple[RankProcess, int]] = []
        """Who has come to a call since nothing moved last, in whatever order."""

    # -- what the run loop asks ------------------------------------------------------------------------------------

    def start(self) -> None:
        """See ``Engine.start``."""
        port = _free_port()
        for number in range(self.world_size):
            environment = rank_environment(
                number, self.world_size, self._ranks_per_node, self.attempt, port, self._watch, late=self._late
            )
            ours, theirs = socket.socketpair()
            out, err = output_file(), output_file()
            with theirs:
                process = self._starter.start(environment, theirs, out.fileno(), err.fileno())
            rank = RankProcess(number, process, ours, out, err)
            self._ranks.append(rank)
            self._names.add_process(process, number)
            self._listen(ours.fileno(), rank)
            self._listen(rank.death, rank)
        self._settling.settle()

    def grant(self, task: int) -> None:
        """See ``Engine.grant``."""
        self.check_time()
        rank, thread = self._held[task]
        operation = self.pending[task]
        self._patience.granted()
        error: OSError | None = None
        if self.strike is not None:
            struck = self.strike(task, self._counts.get(task, 0), operation)
            if isinstance(struck, Instead):
                raise UsageError("faults.errors: of the calls of a real program, none can be short, lie or be slow")
            error = struck
            if rank.ended or task not in self._held:
                self._settling.settle()
                return
        waiting, site = rank.waiting[thread], rank.site_of(thread)
        self._forget(task)
        assert rank.listener is not None
        if not rank.listener.waits(waiting.held):
            # Gone, or interrupted by a signal, which a kernel before 5.19 lets happen: then it is made again.
            self._settling.settle()
            return
        if error is not None:
            rank.listener.refuse(waiting.held, error.errno or 5)
            outcome = Outcome(error=error.errno or 5)
        else:
            outcome = self._carrier.carry_out(rank.listener, waiting.held, waiting.signature, waiting.watched)
        self._note(task, rank, thread, operation, outcome, site)
        if isinstance(operation, Close):
            rank.forget(process_of(thread) or thread, descriptor_of(waiting.held.arguments[0]))
        self._settling.settle(thread, operation)

    def kill(self, rank: int) -> None:
        """See ``Engine.kill``."""
        self.lost = True
        if not self._ranks[rank].ended:
            self._bury(self._ranks[rank], Ending(rank, killed=True))

    def hang(self, rank: int) -> None:
        """See ``Engine.hang``: what the rank waits for is never answered."""
        self.lost = True
        for task in [task for task, (holder, _) in self._held.items() if holder is self._ranks[rank]]:
            self._forget(task)
        self._ranks[rank].dozing.clear()

    def default(self, last: int) -> int:
        """See ``Engine.default``."""
        return default_task(self.ready, last, self.pending)

    def earliest(self) -> int:
        """See ``Engine.earliest``."""
        raise UsageError("scheduler by-time: the operations of a real program have no costs")

    def position(self, task: int) -> int:
        """See ``Engine.position``."""
        return self._counts.get(task, 0)

    def waiting(self) -> dict[int, str]:
        """See ``Engine.waiting``."""
        return {rank.number: "a call that does not return" for rank in self._ranks if not rank.ended}

    def times(self) -> list[int]:
        """See ``Engine.times``: time here only tells the order."""
        return list(self._times)

    def latest(self) -> int:
        """See ``Engine.latest``."""
        return max(self._times, default=EPOCH)

    def last_change(self) -> int:
        """See ``Engine.last_change``: modification times are the real file system's."""
        return 0

    def close(self) -> None:
        """See ``Engine.close``."""
        for rank in self._ranks:
            self._keep_output(rank)
            if not rank.ended:
                rank.kill()
                self._starter.ended(rank.process)
                rank.ended = True
            rank.close()
        self._carrier.close()
        self._held.clear()
        self._starter.sweep()

    @property
    def armed_by(self) -> dict[int, str]:
        """What made each rank put itself under the filter; absent where nothing did."""
        return {rank.number: rank.armed_by for rank in self._ranks if rank.armed_by is not None}

    def meetings(self) -> list[Meeting]:
        """The collectives that were announced so far, task by task, each task's in order."""
        found = []
        for rank, thread, n, said in self._announced:
            number = rank.tasks.get(thread, 0 if thread == rank.process else None)
            # A thread that made no call about the directory is no task, but what it waits for others may wait for, too.
            task = -1 - rank.number if number is None else rank.number + self.world_size * number
            found.append(
                Meeting(rank.number, task, n, said.name, said.waits, said.group, said.identity, said.one, said.back)
            )
        return sorted(found, key=lambda meeting: (meeting.rank, meeting.task))

    @property
    def without_lines(self) -> bool:
        """Whether a rank is a Python of which no source line can be named."""
        return any(rank.without_lines for rank in self._ranks)

    @property
    def guesses(self) -> int:
        """How often everybody seemed to wait and then went on by itself."""
        return self._settling.guesses

    # -- what settling asks ----------------------------------------------------------------------------------------

    def check_time(self) -> None:
        """See ``Supervised.check_time``."""
        if time.monotonic() > self._started + self._wall:
            raise Stuck(f"wall time: {self._wall:g} s passed and the ranks had not ended (--wall waits for longer)")
        interruption.look_up()
        if self._until is not None and time.monotonic() > self._until:
            self.out_of_time = True
            raise Stuck("wall time: the time was up before the ranks had ended")

    def admit(self) -> None:
        """See ``Supervised.admit``.

        In an order of their own, whoever was faster: threads are tasks in the order of their first held calls, those of
        the same moment by what they are about to do, and names are drawn in the same order.
        """
        arrived, self._arrived = sorted(self._arrived, key=self._order), []
        for rank, thread in arrived:
            operation = rank.waiting[thread].watched.operation
            self._names.watch(rank.number, operation)
            task = rank.number + self.world_size * rank.task_of(thread)
            self._held[task] = (rank, thread)
            operation = self._names.applied(operation)
            if self._patience.postpones(task):
                self._postponed[task] = operation
                continue
            self.pending[task] = operation
            insort(self.ready, task)
        for task in self._patience.admitted(bool(self.ready)):
            self.pending[task] = self._postponed.pop(task)
            insort(self.ready, task)

    def hear(self, seconds: float) -> bool:
        """See ``Supervised.hear``."""
        heard = False
        milliseconds = seconds * 1000
        while events := self._poll.poll(milliseconds):
            heard, milliseconds = True, 0.0
            for descriptor, event in events:
                rank = self._by_descriptor.get(descriptor)
                if rank is None or rank.ended:
                    continue
                if descriptor == rank.death:
                    self._ended(rank)
                elif rank.channel is not None and descriptor == rank.channel.fileno():
                    self._ignore(descriptor)
                    rank.hear()
                    if rank.listener is not None:
                        self._listen(rank.listener.fileno(), rank)
                elif event & select.POLLIN:
                    self._hold(rank)
                else:
                    # Nobody is under the filter any more; the death is heard of by itself.
                    self._ignore(descriptor)
        return heard

    # -- inside ----------------------------------------------------------------------------------------------------

    def _listen(self, descriptor: int, rank: RankProcess) -> None:
        self._poll.register(descriptor, select.POLLIN)
        self._by_descriptor[descriptor] = rank

    def _ignore(self, descriptor: int) -> None:
        if self._by_descriptor.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def _hold(self, rank: RankProcess) -> None:
        """A call has come in: it waits to be granted if it is about the watched directory, and goes on if not."""
        assert rank.listener is not None
        held = rank.listener.receive()
        if held is None:
            return
        signature = self._signatures[held.number]
        if signature.name in SIGNALS:
            if rank.handlers.take(held, signature):
                rank.listener.answer(held)
            else:
                rank.listener.let_go(held)
            return
        rank.handlers.let_go(held, signature)
        if held.thread in rank.waiting:
            # A signal made the call fail that was held, and it is made again: kernels before 5.19.
            self._take_back(rank, held.thread)
        if self._carrier.repeats(rank.listener, held):
            return
        if signature.name in SLEEPS:
            self._settling.sleepers.doze(rank, held, duration_of(held, signature))
            return
        rank.calls += 1
        if signature.name == "io_uring_setup":
            # No filter sees what a ring does. Libraries that try one, such as libuv, do without.
            rank.listener.refuse(held, errno.ENOSYS)
            return
        try:
            said = announced(held, signature)
            watched = None if said is not None else self._watch.recognise(held, signature, rank.number_of)
        except Unreadable:
            # It runs as another user, or its file may be executed only.
            said, watched = None, Unseen("what a process does whose memory may not be read, perhaps", "")
        if said is not None:
            if isinstance(said, Announcement):
                known = rank.tasks.get(held.thread, 0 if held.thread == rank.process else None)
                n = 0 if known is None else self._counts.get(rank.number + self.world_size * known, 0)
                self._announced.append((rank, held.thread, n, said))
            else:
                rank.learn(said, held.thread)
            rank.listener.refuse(held, errno.ENOENT)
            return
        if isinstance(watched, Unseen):
            self.unseen.add(f"{watched.words} to {self._names.canonical(watched.path) or 'the watched directory'}")
            watched = None
        if watched is None:
            self.dismissed += 1
            rank.listener.let_go(held)
            return
        rank.waiting[held.thread] = Waiting(held, signature, watched)
        self._arrived.append((rank, held.thread))

    def _order(self, arrived: tuple[RankProcess, int]) -> tuple[int, int, str, tuple[str, ...], int]:
        rank, thread = arrived
        operation = rank.waiting[thread].watched.operation
        number = rank.task_number(thread)
        paths = tuple(undrawn(self._names.canonical(path)) for path in paths_of(operation))
        return rank.number, _UNKNOWN if number < 0 else number, type(operation).__name__, paths, thread

    def _take_back(self, rank: RankProcess, thread: int) -> None:
        """A call that was held is not waited for any more."""
        if (rank, thread) in self._arrived:
            self._arrived.remove((rank, thread))
            del rank.waiting[thread]
        else:
            self._forget(rank.number + self.world_size * rank.task_of(thread))

    def _note(
        self, task: int, rank: RankProcess, thread: int, operation: Operation, outcome: Outcome, site: str | None
    ) -> None:
        value, error = outcome.value, None
        if outcome.error:
            error = OSError(outcome.error, os.strerror(outcome.error))
        elif isinstance(operation, Open) and outcome.descriptor is not None:
            process = process_of(thread) or thread
            rank.forget(process, outcome.descriptor)
            value = rank.number_of(process, outcome.descriptor)
        elif isinstance(operation, Readdir) and value is not None:
            value = tuple(sorted((self._names.canonical(name), kind, inode) for name, kind, inode in value))
        count = self._counts.get(task, 0)
        self.steps.append(Step(task, rank.number, count, operation, value, error, site))
        self._counts[task] = count + 1
        self._times[rank.number] = self.latest() + _TICK

    def _forget(self, task: int) -> None:
        rank, thread = self._held.pop(task)
        del rank.waiting[thread]
        if self._postponed.pop(task, None) is not None:
            self._patience.forget(task)
            return
        del self.pending[task]
        self.ready.remove(task)

    def _ended(self, rank: RankProcess) -> None:
        """The rank's own process has ended; what it has started and left ends with it."""
        code = self._starter.ended(rank.process)
        error = None
        if code:
            words = rank.last_words()
            error = ProgramFailed(words if words is not None and code > 0 else _in_words(code))
        site = None if error is None else rank.raised_at
        self._bury(rank, Ending(rank.number, value=None if error else code, error=error, site=site), code=code)
        if error is not None:
            self.failed.append(rank.number)

    def _bury(self, rank: RankProcess, ending: Ending, code: int | None = None) -> None:
        rank.ended = True
        rank.dozing.clear()
        self._arrived = [each for each in self._arrived if each[0] is not rank]
        for task in [task for task, (each, _) in self._held.items() if each is rank]:
            self._forget(task)
        self.endings[rank.number] = ending
        for descriptor in [each for each, known in self._by_descriptor.items() if known is rank]:
            self._ignore(descriptor)
        rank.kill()
        if code is None:
            self._starter.ended(rank.process)

    def _keep_output(self, rank: RankProcess) -> None:
        with suppress(OSError, ValueError):
            text = rank.printed()
            if text:
                output = Output()
                output.add(text)
                self.output[rank.number] = output


def _in_words(code: int) -> str:
    if code > 0:
        return f"its process ended with exit code {code}"
    with suppress(ValueError):
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process was killed by signal {-code}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
