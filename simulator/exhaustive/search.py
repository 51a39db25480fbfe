"""The whole search: every attempt of the job from every start, with every plan of errors, class by class."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import msgspec

from simulator.exhaustive.attempts import Start
from simulator.exhaustive.executed import Executed
from simulator.exhaustive.exploration import BoundedExploration, Exploration
from simulator.exhaustive.injections import Plan
from simulator.exhaustive.judging import Finding, State, StateJudge
from simulator.exhaustive.tree import Node, part_left_of
from simulator.exhaustive.unit import Report, StartKey, Unit
from simulator.experiment import Experiment
from simulator.happens_before import NO_LOOKS, Looks
from simulator.interruption import finishing
from simulator.run import Frontier


class Counts(msgspec.Struct):
    """What a search has done so far.

    ``classes`` that are complete, ``runs``, how many of them were ``redundant``, the ``operations`` of all, and the
    ``states`` that were judged.
    """

    classes: int = 0
    runs: int = 0
    redundant: int = 0
    operations: int = 0
    states: int = 0


class Proof(msgspec.Struct, frozen=True):
    """A violation that was found: from which start, with which errors, by which schedule."""

    start: Start
    plan: Plan
    finding: Finding


class Job(msgspec.Struct, frozen=True):
    """One unit of the search that is to be done: from which start (they are numbered), with which plan of errors."""

    number: int
    start: Start
    plan: Plan


class Search:
    """One pass, with what is known of looks at times. When ``wider`` differs from it, the pass must be repeated.

    ``proof`` is the first violation; ``reason`` says why a search that has come to its end is not complete all the
    same; ``waits`` that a rank polls which does not give up. ``waiting`` are the jobs to be done; the first of them is
    under way. ``explorations`` are the trees of those that have begun. ``earlier`` is what passes before this one have
    done.
    """

    def __init__(self, experiment: Experiment, looks: Looks = NO_LOOKS, preemptions: int | None = None) -> None:
        self.experiment = experiment
        self.preemptions = preemptions
        self.looks = looks
        self.wider = looks
        self.counts = Counts()
        self.interleaved = False
        self.waits = False
        self.proof: Proof | None = None
        self.reason: str | None = None
        self.classes: set[int] = set()
        self.states: set[State] = set()
        self.reached: set[int] = set()
        self.starts: set[StartKey] = set()
        self.plans: set[tuple[int, Plan]] = set()
        self.waiting: deque[Job] = deque()
        self.explorations: dict[tuple[int, Plan], Exploration | BoundedExploration] = {}
        self.done = 0
        self.passes = 1
        self.earlier = Counts()
        self.add(Job(0, Start.first(experiment), frozenset()))

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do, or something was found that ends this pass."""
        return not self.waiting or self.must_stop

    @property
    def must_stop(self) -> bool:
        """Whether a violation was found, or the pass must be repeated because more is looked at than was known."""
        return self.proof is not None or self.wider != self.looks

    @property
    def fraction(self) -> float:
        """An estimate of the part of this pass that is done."""
        if not self.waiting:
            return 1.0
        begun = sum(part_left_of(exploration.leaf) for exploration in self.explorations.values())
        return (self.done + begun) / (self.done + len(self.waiting))

    def again(self) -> Search:
        """The next pass, with all that is known of looks by now."""
        search = Search(self.experiment, self.wider, self.preemptions)
        search.passes = self.passes + 1
        before, now = self.earlier, self.counts
        search.earlier = Counts(runs=before.runs + now.runs, operations=before.operations + now.operations)
        search.interleaved, search.waits = self.interleaved, self.waits
        search.reached = self.reached
        return search

    def in_this_process(self, look_up: Callable[[], None] = lambda: None) -> Iterator[Counts]:
        """Make one run after the other. Can be left at any time, and taken up again.

        ``look_up`` is called now and then, also within a run; what it raises leaves the search.
        """
        states, executed = StateJudge(self.experiment, self.looks), Executed(self.experiment)
        while not self.is_over:
            job = self.waiting[0]
            unit = Unit(self.experiment, job.start, job.plan, self.looks, states, self.preemptions is not None, look_up)
            exploration = self.exploration(job)
            while exploration.leaf is not None:
                leaf = exploration.leaf
                with executed.measured():
                    execution = unit.make(exploration.prefix(leaf))
                    # The tree takes it in when it is judged: if the search is left before, the run is made again.
                    report = unit.judge(execution)
                report.reached = executed.take()
                with finishing():
                    exploration.take_in(leaf, unit.brought(execution))
                    self.merge(job, report)
                    if exploration.leaf is None:
                        self.finish(job)
                yield self.counts
                if self.must_stop:
                    return

    def exploration(self, job: Job) -> Exploration | BoundedExploration:
        """The tree of a job."""
        key = (job.number, job.plan)
        if key not in self.explorations:
            self.explorations[key] = self.tree(None)
        return self.explorations[key]

    def tree(self, root: Node | None) -> Exploration | BoundedExploration:
        """A tree of this search's kind: that below a root, or one that has not begun."""
        return Exploration(root) if self.preemptions is None else BoundedExploration(self.preemptions, root)

    def merge(self, job: Job, report: Report) -> None:
        """Take in what a run of a job has brought."""
        counts = self.counts
        counts.runs += 1
        counts.operations += report.operations
        self.interleaved = self.interleaved or report.interleaved
        self.waits = self.waits or report.waits
        key = hash((job.number, report.key, tuple(sorted(report.struck))))
        if key in self.classes:
            counts.redundant += 1
        self.classes.add(key)
        counts.classes = len(self.classes)
        self.states.update(report.states)
        self.reached.update(report.reached)
        counts.states = len(self.states)
        self.wider |= report.looks
        self.reason = report.incomplete or self.reason
        if report.finding is not None and self.proof is None:
            self.proof = Proof(job.start, report.struck, report.finding)
        for plan in report.plans:
            self.add(Job(job.number, job.start, plan))
        for name, start in report.starts:
            if name not in self.starts:
                self.starts.add(name)
                self.add(Job(len(self.starts), start, frozenset()))

    def add(self, job: Job) -> None:
        """One more thing to do, unless it is known."""
        if (job.number, job.plan) not in self.plans:
            self.plans.add((job.number, job.plan))
            self.waiting.append(job)

    def finish(self, job: Job) -> None:
        """The job is done."""
        self.waiting.remove(job)
        self.explorations.pop((job.number, job.plan), None)
        self.done += 1


class Following:
    """Follows one schedule for each attempt; behind its end, and where a task cannot go on, the default."""

    def __init__(self, schedules: Sequence[Sequence[int]]) -> None:
        self._schedules = schedules
        self._schedule: Sequence[int] = ()
        self._position = 0

    def begin(self, attempt: int) -> None:
        """Start at the beginning of the attempt's schedule."""
        self._schedule = self._schedules[attempt] if attempt < len(self._schedules) else ()
        self._position = 0

    def choose(self, frontier: Frontier, last: int) -> int:
        """The schedule's next task."""
        position = self._position
        self._position = position + 1
        if position < len(self._schedule) and self._schedule[position] in frontier.pending:
            return self._schedule[position]
        return frontier.default(last)
