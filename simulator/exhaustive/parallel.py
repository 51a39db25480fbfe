"""The search on several cores: this process holds the trees, others make the runs and judge them.

The order in which the runs are made does not matter to which classes are found (see ``tree``), with one condition: what
begins with a left sibling is explored only there, and what a sibling touches is known for certain once it was run. So
a leaf is run when all left siblings on its way were.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterator

from simulator.engines.channel import Gone
from simulator.engines.template import Template, Worker
from simulator.errors import CannotDo, CkptraceError
from simulator.exhaustive.messages import Reply, Request
from simulator.exhaustive.search import Counts, Job, Search
from simulator.exhaustive.tree import Node, leaves_to_run
from simulator.exhaustive.worker import serve
from simulator.interruption import finishing

_GLANCE = 0.2
"""Seconds between two looks at whether to stop, while nothing comes in."""


def in_parallel(search: Search, workers: int, look_up: Callable[[], None] = lambda: None) -> Iterator[Counts]:
    """Make the runs of a search in so many processes; else like ``Search.in_this_process``."""
    body = serve(search.experiment, search.looks, search.preemptions is not None)
    with Template(body, lambda: None) as template:
        crew = [template.fork() for _ in range(workers)]
        try:
            yield from _Foreman(search, crew, look_up).counts()
        finally:
            for worker in crew:
                worker.kill()


class _Foreman:
    def __init__(self, search: Search, crew: list[Worker], look_up: Callable[[], None]) -> None:
        self._search = search
        self._idle = list(crew)
        self._busy: dict[Worker, tuple[Job, Node]] = {}
        self._look_up = look_up

    def counts(self) -> Iterator[Counts]:
        """Hand out what is to be run, and take in what comes back."""
        search = self._search
        while not search.is_over:
            self._hand_out()
            for worker in self._answered():
                job, leaf = self._busy.pop(worker)
                self._idle.append(worker)
                reply = _received(worker)
                exploration = search.exploration(job)
                with finishing():
                    exploration.take_in(leaf, reply.brought())
                    search.merge(job, reply.report)
                    if exploration.leaf is None:
                        search.finish(job)
                yield search.counts
                if search.must_stop:
                    return

    def _hand_out(self) -> None:
        taken = {leaf for _, leaf in self._busy.values()}
        for job in self._search.waiting:
            if not self._idle:
                return
            exploration = self._search.exploration(job)
            for leaf in leaves_to_run(exploration.root):
                if leaf in taken or not can_be_run(leaf):
                    continue
                worker = self._idle.pop()
                self._busy[worker] = (job, leaf)
                errand = exploration.errand(leaf)
                worker.channel.send(
                    Request(
                        job.number,
                        job.start.without_steps(),
                        job.plan,
                        errand.tasks,
                        errand.operations,
                        errand.first,
                        errand.sleepers,
                        errand.siblings,
                    )
                )
                if not self._idle:
                    return

    def _answered(self) -> list[Worker]:
        """Those that have answered; waits for one."""
        by_channel = {worker.channel.fileno(): worker for worker in self._busy}
        while True:
            self._look_up()
            ready, _, _ = select.select(list(by_channel), [], [], _GLANCE)
            if ready:
                return [by_channel[number] for number in ready]


def can_be_run(leaf: Node) -> bool:
    """Whether all left siblings of the nodes on the way that were not run yet have been."""
    node = leaf
    while node.parent is not None and not node.run:
        for sibling in node.parent.children:
            if sibling is node:
                break
            if not sibling.run:
                return False
        node = node.parent
    return True


def _received(worker: Worker) -> Reply:
    try:
        answer = worker.channel.receive()
    except Gone as gone:
        raise CannotDo(f"a process of the search has died ({gone})") from gone
    if isinstance(answer, CkptraceError):
        raise answer
    if isinstance(answer, str):
        raise RuntimeError(f"in a process of the search:\n{answer}")
    assert isinstance(answer, Reply)
    return answer
