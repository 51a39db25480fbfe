"""Why a program failed: the pair of operations whose order decides it, shown by runs in which only that order differs.

As of a simulated run (``explanation.explaining``), but each run takes as long as the program, so few are made. Nothing
is claimed that was not run.
"""

from __future__ import annotations

from collections.abc import Sequence

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.retracing import retraced
from simulator.campaigns.explanation.candidates import Candidate, candidates, is_on, paths_in, required
from simulator.campaigns.explanation.explaining import NO_PAIR, Explanation
from simulator.campaigns.explanation.flipping import around, ended_well, faults_of, reverses_any
from simulator.campaigns.explanation.recording import Recording, in_words, keys_of
from simulator.engines.interface import Step
from simulator.run import Run
from simulator.schedulers.replay import TapeReplay
from simulator.schedulers.reversing import InOrder
from simulator.tape import Tape
from simulator.trace import Trace

_MOST_RUNS = 30


def explain(experiment: CommandExperiment, failing: Run, trace: Trace) -> Explanation:
    """Find the deciding pair of a failing run, of which this is the trace; says so where none was found."""
    last = len(failing.attempts) - 1
    found = _Reversals(experiment, failing, _recording(failing, trace)).deciding()
    if found is not None:
        candidate, passing = found
        flipped = "The same run with B before A passes."
        return Explanation(last, candidate.first, candidate.second, flipped, other_order=passing.tape)
    return _without_a_pair(experiment, failing)


def _recording(failing: Run, trace: Trace) -> Recording:
    """The last attempt. What a judgement looked at is not known, nor what would have come after the failure."""
    order = retraced(trace)[-1]
    keys, length = keys_of(order.steps), len(order)
    return Recording(len(failing.attempts) - 1, order, keys, length, frozenset(), promises=False, paths={1: {""}})


class _Reversals:
    """Runs of the program in which a pair of operations stands side by side, in either order."""

    def __init__(self, experiment: CommandExperiment, failing: Run, recording: Recording) -> None:
        assert failing.violation is not None
        self._experiment = experiment
        self._failing = failing
        self._message = failing.violation.message
        self._recording = recording
        self._must = required(recording)
        self._left = _MOST_RUNS

    def deciding(self) -> tuple[Candidate, Run] | None:
        """The first pair that decides, and the run with it the other way round, which passes."""
        recording, named = self._recording, paths_in(self._message)

        def is_elsewhere(candidate: Candidate) -> bool:
            paths = [path for at in (candidate.first, candidate.second) for path in recording.keys[at][1]]
            return not any(is_on(path, named) for path in paths)

        possible = [each for each in candidates(recording, self._message) if each.may_decide]
        for candidate in sorted(possible, key=is_elsewhere):
            prefix, rest = around(candidate, recording, self._must)
            passing = self._run([*prefix, candidate.second, candidate.first, *rest])
            if passing is None:
                return None
            if not self._is_the_other_order(passing, candidate, prefix, rest):
                continue
            failing = self._run([*prefix, candidate.first, candidate.second, *rest])
            if failing is not None and failing.violation_name == self._failing.violation_name:
                return candidate, passing
        return None

    def _run(self, schedule: list[int]) -> Run | None:
        """The run of a schedule of the last attempt; the earlier ones are as they were. None when no run is left."""
        if not self._left:
            return None
        self._left -= 1
        steps: list[Sequence[Step]] = [record.steps for record in self._failing.attempts]
        steps[-1] = [self._recording.order.steps[position] for position in schedule]
        places = [[(step.task, step.n) for step in each] for each in steps]
        return self._experiment.run(InOrder(places), self._failing.tape)

    def _is_the_other_order(self, run: Run, candidate: Candidate, prefix: list[int], rest: list[int]) -> bool:
        """Whether a run passes, and is the recorded one but for the order of the pair, as far as anybody can tell."""
        attempt, recording = candidate.attempt, self._recording
        if run.violation is not None or run.incomplete is not None or len(run.attempts) <= attempt:
            return False
        if not all(ended_well(record, self._experiment.scenario.cluster.world_size) for record in run.attempts):
            return False
        if faults_of(run) != faults_of(self._failing):
            return False
        steps = run.attempts[attempt].steps
        known = {
            (step.task, step.n, key): position
            for position, (step, key) in enumerate(zip(recording.order.steps, recording.keys, strict=True))
        }
        came = [known.get((step.task, step.n, key)) for step, key in zip(steps, keys_of(steps), strict=True)]
        beginning = [*prefix, candidate.second, candidate.first]
        return came[: len(beginning)] == beginning and not reverses_any(recording, came, rest)


def _without_a_pair(experiment: CommandExperiment, failing: Run) -> Explanation:
    last = len(failing.attempts) - 1
    if any(record.faults for record in failing.attempts):
        tape = Tape({address: value for address, value in failing.tape.choices.items() if address[1] == "schedule"})
        if _passes(experiment.run(TapeReplay(failing.tape), tape)):
            struck = "; ".join(text for record in failing.attempts for _, text in record.faults)
            return Explanation(
                last, None, None, "", f"The fault decides ({struck}): without it the same schedule passes."
            )
    switches = sorted((a for a in failing.tape.choices if a[1] == "schedule"), reverse=True)
    if not switches:
        return Explanation(last, None, None, "", f"{NO_PAIR}: the undisturbed run fails too.")
    for address in switches:
        tape = failing.tape.without(address)
        passing = experiment.run(TapeReplay(tape), tape)
        if _passes(passing):
            text = f"{NO_PAIR}. {_uninterrupted(failing, address[0], address[2], address[3])}, the run passes."
            return Explanation(last, None, None, "", text, other_order=passing.tape)
    return Explanation(last, None, None, "", f"{NO_PAIR}.")


def _passes(run: Run) -> bool:
    return run.violation is None and run.incomplete is None


def _uninterrupted(failing: Run, attempt: int, task: int, n: int) -> str:
    """The choice of a schedule that is left out, in words."""
    steps = failing.attempts[attempt].steps
    for step, key in zip(steps, keys_of(steps), strict=True):
        if (step.task, step.n) == (task, n - 1):
            return f"If rank {step.rank} is not interrupted after its {in_words(step, key)}"
    return "If the rank that goes first by default does so"
