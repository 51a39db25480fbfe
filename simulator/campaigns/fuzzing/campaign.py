"""Fuzz scenarios until a limit: hands out batches of runs and takes in what came of them.

The batches are made wherever joblib puts them: in this process, in others on this machine, or on whatever backend
``joblib.parallel_config`` names, such as Dask or Ray. What is known lives here alone.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from random import Random
from typing import Any, Protocol

from joblib import Parallel, delayed
from joblib.parallel import get_active_backend

from simulator.campaigns.fuzzing.arms import Arms
from simulator.campaigns.fuzzing.finishing import Finished, FinishRequest, finish
from simulator.campaigns.fuzzing.job import Reply, Request, make_runs, packed
from simulator.campaigns.fuzzing.limits import Limits, holding_signals
from simulator.campaigns.fuzzing.proposal import Proposal
from simulator.campaigns.fuzzing.standing import KnownFailure, Standing
from simulator.errors import CannotDo, UsageError
from simulator.interruption import asked, finishing, leaving, look_up

_BATCH = 16
"""Runs of a batch at most; the first ones of a scenario are smaller, since each of them teaches much."""
_BATCH_OPERATIONS = 20_000
"""Operations of a batch, about, where runs are long."""
_BATCH_SECONDS = 2.0
"""No further run of a batch begins after so long, so that an end need not be waited for."""
_PROGRESS_EVERY = 5.0
"""Seconds between two notes in the corpus of how far it has come."""


class Listener(Protocol):
    """Is told what happens, in the thread that called ``fuzz``."""

    def begun(self, campaign: Campaign) -> None:
        """Everything is ready; nothing was run."""
        ...

    def found(self, standing: Standing, failure: KnownFailure) -> None:
        """A failure was found, or one of an earlier session again; it is in the corpus."""
        ...

    def finished(self, standing: Standing, failure: KnownFailure, problem: str | None) -> None:
        """A failure was minimised, explained and confirmed, and its trace is in the corpus; or it could not be."""
        ...

    def progressed(self) -> None:
        """A batch came back."""
        ...


class Campaign:
    """Fuzzing under way: what a listener may look at."""

    def __init__(
        self,
        standings: list[Standing],
        limits: Limits,
        workers: int,
        seed: int,
        confirm: bool,
        listener: Listener | None,
    ) -> None:
        self.standings = standings
        self.limits = limits
        self.workers = workers
        self._confirm = confirm
        self._listener = listener
        self._random = Random(seed)
        self._session = uuid.uuid4().hex
        self._arms = Arms(str(number) for number in range(len(standings)))
        self._unfinished: deque[tuple[Standing, KnownFailure]] = deque()
        self._under_way: dict[int, tuple[Standing, list[Proposal]]] = {}
        self._tickets = 0
        self._noted = 0.0
        # Batches are asked for in joblib's own thread while others are taken in here.
        self._lock = threading.Lock()

    @property
    def schedules(self) -> int:
        """Runs of this session that have come back, without those of the corpus."""
        return sum(standing.schedules for standing in self.standings)

    @property
    def ended(self) -> str:
        """What ended it, in words."""
        if self.limits.interrupted:
            return asked() or "interrupted"
        if all(standing.problem is not None or standing.exhausted for standing in self.standings):
            return "no scenario can go on"
        return "time is up" if self.limits.must_end else "as many schedules were run as were asked for"

    def go(self) -> None:
        """Run until a limit."""
        if self._listener is not None:
            self._listener.begun(self)
        try:
            # Whose answer has not come a moment after a signal is not waited for.
            with leaving():
                self._go()
        finally:
            self._keep_progress()

    def _go(self) -> None:
        try:
            while self._able() or (self._unfinished and not self.limits.interrupted):
                for answer in self._answers():
                    with self._lock, finishing():
                        self._take_in(answer)
        except BrokenExecutor as error:
            look_up()  # The workers end in the middle of their work then.
            names = ", ".join(sorted({standing.name for standing, _ in self._under_way.values()}))
            raise CannotDo(
                f"a worker process has died while it ran {names}; that is no finding, and what was found before is in "
                "the corpus (code under test that ends its process takes the worker with it)"
            ) from error

    def _answers(self) -> Iterator[Reply | Finished]:
        _check_backend(self.workers)
        parallel = Parallel(
            n_jobs=self.workers, return_as="generator_unordered", pre_dispatch=self.workers, batch_size=1
        )
        if self.workers == 1:
            yield from parallel(self._work())
            return
        with holding_signals():
            answers = parallel(self._work())
        yield from answers

    def _work(self) -> Iterator[Any]:
        """What is to be done next, as long as there is something."""
        while True:
            with self._lock:
                work = self._next()
            if work is None:
                return
            yield delayed(finish if isinstance(work, FinishRequest) else make_runs)(work)

    def _next(self) -> Request | FinishRequest | None:
        ticket, self._tickets = self._tickets, self._tickets + 1
        if self._unfinished and not self.limits.interrupted:
            standing, failure = self._unfinished.popleft()
            self._under_way[ticket] = (standing, [])
            return FinishRequest(ticket, self._session, os.getpid(), standing.content, failure.found, self._confirm)
        able = self._able()
        if not able:
            return None
        number = self._arms.draw(self._random, [str(number) for number in able])
        standing = self.standings[int(number)]
        proposals = standing.propose(batch_of(standing), self._unused)
        self._under_way[ticket] = (standing, proposals)
        disturbed = next((n for n, each in enumerate(proposals) if each.tape or each.draws), -1)
        check = -1 if standing.checked else disturbed
        standing.checked = standing.checked or disturbed >= 0
        return Request(
            ticket=ticket,
            session=self._session,
            origin=os.getpid(),
            scenario=standing.content,
            proposals=proposals,
            known=packed(standing.guide.covered),
            signatures=sorted(standing.guide.signatures),
            check=check,
            seconds=self._seconds(),
        )

    @property
    def _unused(self) -> int:
        return self.limits.unused(sum(standing.handed for standing in self.standings))

    def _able(self) -> list[int]:
        """The numbers of the scenarios that can go on; as long as some of them were never run, only these."""
        if self.limits.must_end:
            return []
        unused = self._unused
        able = [
            number
            for number, each in enumerate(self.standings)
            if each.problem is None and not each.exhausted and (unused or (each.returning and each.handed))
        ]
        return [number for number in able if not self.standings[number].handed] or able

    def _seconds(self) -> float | None:
        if self.workers == 1 and self.limits.seconds is None:
            return None  # What is run must not depend on the time that it takes.
        left = self.limits.left
        return _BATCH_SECONDS if left is None else min(_BATCH_SECONDS, left)

    def _take_in(self, answer: Reply | Finished) -> None:
        standing, proposals = self._under_way.pop(answer.ticket)
        if isinstance(answer, Finished):
            self._finished(standing, answer)
        else:
            gain, unfinished = standing.learn(proposals, answer)
            fresh = sum(not proposals[outcome.proposal].is_rerun for outcome in answer.outcomes)
            if fresh:
                self._arms.tell(str(self.standings.index(standing)), gain, fresh)
            for failure in unfinished:
                self._unfinished.append((standing, failure))
                if self._listener is not None:
                    self._listener.found(standing, failure)
        if self.limits.spent - self._noted > _PROGRESS_EVERY:
            self._noted = self.limits.spent
            self._keep_progress()
        if self._listener is not None:
            self._listener.progressed()

    def _finished(self, standing: Standing, answer: Finished) -> None:
        failure = standing.failures[answer.found.broken.signature]
        if answer.trace is not None:
            standing.keep_finished(failure, answer.found, answer.trace)
        elif standing.problem is None:
            standing.problem = answer.problem
        if self._listener is not None:
            self._listener.finished(standing, failure, answer.problem)

    def _keep_progress(self) -> None:
        for standing in self.standings:
            standing.keep_progress()


def batch_of(standing: Standing) -> int:
    """How many runs the next batch of a scenario has."""
    size = _BATCH if standing.returning and standing.handed else min(_BATCH, 1 + standing.handed // 8)
    if standing.operations:
        runs = standing.schedules + standing.rerun
        size = min(size, _BATCH_OPERATIONS * runs // standing.operations)
    return max(1, size)


def _check_backend(workers: int) -> None:
    """Raise UsageError where the backend that joblib was told to use cannot serve."""
    backend, _ = get_active_backend()
    if workers > 1 and getattr(backend, "uses_threads", False):
        raise UsageError(f"{type(backend).__name__}: threads of one process cannot fuzz, as they share its boundary")
    if workers > 1 and not backend.supports_return_generator:
        raise UsageError(f"{type(backend).__name__}: this backend of joblib gives no result before it has all of them")
