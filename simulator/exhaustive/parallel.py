"""The search on several cores: this process holds the trees, others make the runs and judge them.

The order in which the runs are made does not matter to which classes are found (see ``tree``), with one condition: what
begins with a left sibling is explored only there, and what a sibling touches is known for certain once it was run. So
a leaf is run when all left siblings on its way were.
"""

from __future__ import annotations

import select
import traceback
from collections.abc import Callable, Iterator, Sequence

import msgspec

from simulator.engines.channel import Channel, Gone
from simulator.engines.interface import Step
from simulator.engines.template import Template, Worker
from simulator.errors import CannotDo, CkptraceError
from simulator.exhaustive.attempts import Start
from simulator.exhaustive.executed import Executed
from simulator.exhaustive.execution import Execution, Prefix
from simulator.exhaustive.injections import Plan
from simulator.exhaustive.judging import StateJudge
from simulator.exhaustive.reversals import Brought, Taken
from simulator.exhaustive.search import Counts, Job, Search
from simulator.exhaustive.tree import Continuation, Node, Sleepers, leaves_to_run
from simulator.exhaustive.unit import Report, StartKey, Unit
from simulator.experiment import Experiment
from simulator.happens_before import HappensBefore, Looks, Touched, Uses
from simulator.interruption import finishing
from simulator.operations import Operation


class Line(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One step: who did what, what it touched, and the steps before it as bits of an integer."""

    task: int
    rank: int
    n: int
    operation: Operation
    touched: Touched
    before: int


def lines_of(order: HappensBefore) -> list[Line]:
    """A run in the form in which it is sent."""
    return [
        Line(step.task, step.rank, step.n, step.operation, what, before)
        for step, what, before in zip(order.steps, order.touched, order.before, strict=True)
    ]


class Recorded:
    """Implements ``tree.Order`` for a run that another process has made."""

    def __init__(self, lines: list[Line]) -> None:
        self.steps = [Step(line.task, line.rank, line.n, line.operation) for line in lines]
        self.touched = [line.touched for line in lines]
        self.before = [line.before for line in lines]
        self._of_task: dict[int, int] = {}
        self._uses: Uses | None = None
        for position, line in enumerate(lines):
            self._of_task[line.task] = self._of_task.get(line.task, 0) | 1 << position

    def of_task(self, task: int) -> int:
        """The steps of a task."""
        return self._of_task.get(task, 0)

    def conflicts_of(self, what: Touched) -> int:
        """The steps whose order with one that touches ``what`` matters."""
        if self._uses is None:
            self._uses = Uses()
            for position, touched in enumerate(self.touched):
                self._uses.add(1 << position, touched)
        return self._uses.conflicts_of(what)


class Request(msgspec.Struct, frozen=True):
    """A run to make: of which job, and the fields of the prefix that it follows."""

    number: int
    start: Start
    plan: Plan
    tasks: list[int]
    operations: list[Operation | None]
    first: int
    sleepers: Sleepers
    siblings: Sequence[Sleepers]

    def prefix(self) -> Prefix:
        """The prefix itself."""
        return Prefix(self.tasks, self.operations, self.first, self.sleepers, self.siblings)


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """A reversal: see ``reversals.Reversal`` and ``tree.Continuation``."""

    number: int
    steps: int
    task: int
    operation: Operation
    what: Touched


class Reply(msgspec.Struct, frozen=True):
    """What a run brought. ``lines`` is the whole run, where there are reversals."""

    report: Report
    first: int
    taken: list[Taken]
    able: list[tuple[tuple[int, ...], bool]]
    earlier: list[tuple[int, list[int]]]
    lines: list[Line]
    sent: list[Sent]

    def brought(self) -> Brought:
        """That in the form in which a tree takes it in."""
        order = Recorded(self.lines)
        reversals = [
            (one.number, Continuation(order, one.steps, one.task, one.operation, one.what)) for one in self.sent
        ]
        return Brought(self.first, self.taken, reversals, self.able, self.earlier)


def reply_of(report: Report, execution: Execution, brought: Brought) -> Reply:
    """A run in the form in which it is sent."""
    sent = [Sent(number, one.steps, one.task, one.operation, one.what) for number, one in brought.reversals]
    lines = lines_of(execution.order) if sent else []
    return Reply(report, brought.first, brought.taken, brought.able, brought.earlier, lines, sent)


_UNITS = 4
"""So many units are kept: what a run shares with one that the same unit has made is cheap."""


def serve(experiment: Experiment, looks: Looks, bounded: bool) -> Callable[[Channel], None]:
    """What the process does, until its channel is closed: it receives requests, and sends a reply or an error."""

    def body(channel: Channel) -> None:
        maker = _Maker(experiment, looks, bounded)
        while True:
            try:
                request: Request = channel.receive()
            except Gone:
                return
            answer: Reply | CkptraceError | str
            try:
                answer = maker.make(request)
            except CkptraceError as error:
                answer = error
            except Exception:
                answer = traceback.format_exc()
            try:
                channel.send(answer)
            except Gone:
                return

    return body


class _Maker:
    def __init__(self, experiment: Experiment, looks: Looks, bounded: bool) -> None:
        self._experiment = experiment
        self._looks = looks
        self._bounded = bounded
        self._states = StateJudge(experiment, looks)
        self._executed = Executed(experiment)
        self._units: dict[tuple[int, Plan], Unit] = {}
        self._known: set[StartKey] = set()

    def make(self, request: Request) -> Reply:
        unit = self._unit(request)
        with self._executed.measured():
            execution = unit.make(request.prefix())
            report = unit.judge(execution)
        report.reached = self._executed.take()
        report.starts = [(key, start.without_steps()) for key, start in report.starts if key not in self._known]
        self._known.update(key for key, _ in report.starts)
        return reply_of(report, execution, unit.brought(execution))

    def _unit(self, request: Request) -> Unit:
        key = (request.number, request.plan)
        unit = self._units.pop(key, None)
        if unit is None:
            unit = Unit(self._experiment, request.start, request.plan, self._looks, self._states, self._bounded)
        self._units[key] = unit
        while len(self._units) > _UNITS:
            self._units.pop(next(iter(self._units)))
        return unit


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
                prefix = exploration.prefix(leaf)
                worker.channel.send(
                    Request(
                        job.number,
                        job.start.without_steps(),
                        job.plan,
                        prefix.tasks,
                        prefix.operations,
                        prefix.first,
                        prefix.sleepers,
                        prefix.siblings,
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
