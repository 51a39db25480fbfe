"""Runs of a recorded failure in which two operations come in the other order, and all else as it was recorded.

The schedule begins with everything that neither waits for the first of the two nor depends on it, and with what the
second waits for; then come the two, side by side; then the rest. What does not depend on the first has to be done
exactly as recorded up to there. The rest follows the recorded order operation by operation, as far as the programs do
the same; a run that reverses a further conflict of recorded operations does not count.
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.campaigns.explanation.candidates import Candidate
from simulator.campaigns.explanation.plans import Done, Follower, Plan, Planned, aligned_plan
from simulator.campaigns.explanation.recording import Recording
from simulator.engines.interface import Step
from simulator.errors import Divergence
from simulator.experiment import Experiment
from simulator.happens_before import is_scheduled
from simulator.run import AttemptRecord, Run

_PASSES = 4
"""How often a schedule is aligned anew with what the tasks do under it."""


class Flip:
    """The two runs of one candidate.

    ``is_certain``: in the last run the pair are the recorded operations, and not others that do the same.
    """

    def __init__(self, experiment: Experiment, failing: Run, recordings: list[Recording], must: list[int]) -> None:
        self._experiment = experiment
        self._failing = failing
        self._recordings = recordings
        self._must = must
        self._came_so_far = _steps_of_last(failing, failing)
        self._world_size = experiment.scenario.cluster.world_size
        self.operations = 0
        self.is_certain = True

    def without(self, candidate: Candidate) -> Run | None:
        """The run with the second before the first; None where it cannot be had, or tells nothing.

        It tells nothing when it fails before the task whose step was the last of the recording has done as many steps,
        or when it passes because a rank raises or hangs and nobody judges that.
        """
        prefix, rest = self._around(candidate)
        run = self._run(candidate, prefix, [candidate.second, candidate.first], rest)
        if run is None or run.incomplete is not None:
            return None
        if run.violation is not None and _steps_of_last(self._failing, run) < self._came_so_far:
            return None
        if run.violation is None and not all(ended_well(record, self._world_size) for record in run.attempts):
            return None
        return run

    def fails_alike(self, candidate: Candidate) -> bool:
        """Whether the run with the first right before the second violates what the recorded one does."""
        prefix, rest = self._around(candidate)
        run = self._run(candidate, prefix, [candidate.first, candidate.second], rest)
        return run is not None and run.violation_name == self._failing.violation_name

    def _around(self, candidate: Candidate) -> tuple[list[int], list[int]]:
        return around(candidate, self._recordings[candidate.attempt], self._must)

    def _run(self, candidate: Candidate, prefix: list[int], pair: list[int], rest: list[int]) -> Run | None:
        """The run of a schedule; None where it cannot be followed, or reverses more than the pair."""
        recording = self._recordings[candidate.attempt]
        schedules = [_scheduled(each) for each in self._recordings]
        schedules[candidate.attempt] = [*prefix, *pair, *rest]
        plans = [_plan(*each, self._failing) for each in zip(self._recordings, schedules, strict=True)]
        exact: list[list[int]] = [schedule if n < candidate.attempt else [] for n, schedule in enumerate(schedules)]
        before = recording.order.before
        exact[candidate.attempt] = [*(p for p in prefix if not before[p] >> candidate.first & 1), *pair]
        for _ in range(_PASSES):
            follower = Follower(plans, exact)
            try:
                run = self._experiment.run(follower, self._failing.tape, detail=True)
                follower.conclude()
            except Divergence:
                return None
            self.operations += run.operations
            last = len(follower.done) - 1 if run.violation is not None else -1
            aligned = [
                aligned_plan(plan, follower.done[attempt], attempt == last) if attempt < len(follower.done) else plan
                for attempt, plan in enumerate(plans)
            ]
            if aligned == plans:
                break
            plans = aligned
        if len(follower.done) <= candidate.attempt:
            return None
        done = follower.done[candidate.attempt]
        came = [position for _, _, position in done]
        if pair[0] not in came or (pair[1] not in came and candidate.first != pair[0]):
            return None
        steps = run.attempts[candidate.attempt].steps
        self.is_certain = all(_is_its_own(recording, done, steps, position) for position in pair if position in came)
        if run.violation is None and (
            faults_of(run) != faults_of(self._failing)
            or any(reverses_any(recording, came, group) for group in (prefix, rest))
        ):
            return None
        return run


def around(candidate: Candidate, recording: Recording, must: list[int]) -> tuple[list[int], list[int]]:
    """The scheduled steps that come before a pair whose order is to be changed, and those that come after it.

    ``must`` are the steps that have to be done before each, as bits.
    """
    first, second = candidate.first, candidate.second
    order = recording.order
    prefix: list[int] = []
    rest: list[int] = []
    for position in range(max(recording.length, second + 1)):
        if position in (first, second) or not is_scheduled(order.steps[position]):
            continue
        after_first = order.before[position] >> first & 1
        earlier = position < second and (not after_first or must[second] >> position & 1)
        (prefix if earlier else rest).append(position)
    return prefix, rest


def _is_its_own(recording: Recording, done: list[Done], steps: list[Step], position: int) -> bool:
    """Whether what was taken for a recorded step is of the same line, and came as late in its task as that one.

    Either as late as its n-th operation, or as the n-th that does the same. If not, it may be another operation that
    only does the same, such as the next look at the same path.
    """
    recorded = recording.order.steps
    task, key = recorded[position].task, recording.keys[position]
    earlier = [at for at in range(position) if recorded[at].task == task and is_scheduled(recorded[at])]
    of_task = [each for each in done if each[0] == task]
    place = next(at for at, (_, _, taken) in enumerate(of_task) if taken == position)
    taken = [step for step in steps if step.task == task and is_scheduled(step)][place]
    alike = sum(recording.keys[at] == key for at in earlier) == sum(each == key for _, each, _ in of_task[:place])
    return taken.site == recorded[position].site and (place == len(earlier) or alike)


def reverses_any(recording: Recording, came: list[int | None], group: list[int]) -> bool:
    """Whether two conflicting steps of a group came in another order than when they were recorded."""
    members, later = set(group), 0
    for position in reversed(came):
        if position in members and position is not None:
            # Steps that come later now, were recorded before it, and conflict with it.
            if recording.order.conflicts[position] & later:
                return True
            later |= 1 << position
    return False


def _scheduled(recording: Recording) -> list[int]:
    """The steps up to the failure that a scheduler decided about."""
    return [p for p, step in enumerate(recording.order.steps[: recording.length]) if is_scheduled(step)]


def _plan(recording: Recording, schedule: list[int], failing: Run) -> Plan:
    """What each task does when recorded steps come in the order of a schedule."""
    plan: Plan = {}
    for place, position in enumerate(schedule):
        step = recording.order.steps[position]
        plan.setdefault(step.task, []).append(Planned(recording.keys[position], place, position))
    for task, struck in _deaths(recording, failing):
        # Before everything that came after the death.
        later = [place for place, position in enumerate(schedule) if position >= struck]
        plan.setdefault(task, []).append(Planned(None, min(later, default=len(schedule)) - 0.5, None))
    return plan


def _deaths(recording: Recording, failing: Run) -> Iterator[tuple[int, int]]:
    """(task, position among the steps) of each grant that led to a death, which leaves no step."""
    record = failing.attempts[recording.attempt]
    for attempt, kind, task, n in failing.tape.choices:
        if (attempt, kind) == (recording.attempt, "kill"):
            for struck, text in record.faults:
                is_death = text.endswith((" is killed", " dies"))
                if is_death and sum(step.task == task for step in record.steps[:struck]) == n:
                    yield task, struck
                    break


def _steps_of_last(failing: Run, run: Run) -> int:
    """How many steps a run has of the task whose step was the last of the failing one, in the same attempt."""
    attempt, steps = len(failing.attempts) - 1, failing.attempts[-1].steps
    if not steps or len(run.attempts) <= attempt:
        return 0
    return sum(step.task == steps[-1].task for step in run.attempts[attempt].steps)


def ended_well(record: AttemptRecord, world_size: int) -> bool:
    """Whether every rank returned, or the attempt died of a fault."""
    endings = record.endings.values()
    return record.died or (len(endings) == world_size and all(ending.error is None for ending in endings))


def faults_of(run: Run) -> list[list[str]]:
    """What struck in each attempt in which anything did."""
    return [texts for record in run.attempts if (texts := [text for _, text in record.faults])]
