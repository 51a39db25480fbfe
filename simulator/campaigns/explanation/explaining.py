"""Why a run failed: the pair of operations whose order decides it, shown by runs in which only that order differs.

For each candidate, the run is repeated with its two operations side by side, in either order, and everything else as it
was recorded. If it fails in the order of the recording and passes in the other one, the pair is the explanation.
Nothing is claimed that was not run: where no pair decides, that is said, with what was found instead.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from simulator.campaigns.explanation.candidates import Candidate, candidates, required
from simulator.campaigns.explanation.flipping import Flip
from simulator.campaigns.explanation.recording import Recording, in_words, keys_of, recordings_of
from simulator.experiment import Experiment
from simulator.run import Run
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape

_CANDIDATES = 300
"""How many candidates are tried at most."""
_OPERATIONS = 100_000
"""No further candidate is tried after so many operations."""


class Explanation(msgspec.Struct, frozen=True):
    """Positions of the deciding pair in the attempt's events (None where no order decides), and what the flip gives.

    ``second`` alone is None where it lies beyond the failure; ``flipped`` names it then.
    """

    attempt: int
    first: int | None
    second: int | None
    flipped: str
    text: str = ""

    def table(self) -> dict[str, Any]:
        """The form that a trace keeps."""
        table: dict[str, Any] = {"flipped": self.flipped, "text": self.text}
        for name, position in (("first", self.first), ("second", self.second)):
            if position is not None:
                table[name] = {"attempt": self.attempt, "position": position}
        return table


def explain(experiment: Experiment, failing: Run) -> Explanation:
    """Find the deciding pair of a failing run; says so where no order of two operations decides.

    The boundary must be installed.
    """
    recordings = recordings_of(experiment, failing)
    found = _deciding(experiment, failing, recordings) if recordings else None
    if found is not None:
        return _explanation(recordings[found[0].attempt], *found)
    return Explanation(len(failing.attempts) - 1, None, None, "", _without_a_pair(experiment, failing))


def _deciding(experiment: Experiment, failing: Run, recordings: list[Recording]) -> tuple[Candidate, Run, str] | None:
    """The candidate that decides, the run with its operations the other way round, and what came first in that.

    Candidates of the last attempt come before those of the ones before it. One whose other order passes is better than
    one whose other order fails in another way, and that better than one of which the programs may have done another
    operation that looks the same.
    """
    assert failing.violation is not None
    tried = operations = 0
    otherwise: list[tuple[Flip, Candidate, Run]] = []
    uncertain: list[tuple[Flip, Candidate, Run]] = []
    for recording in reversed(recordings):
        flip = Flip(experiment, failing, recordings, required(recording))
        for candidate in candidates(recording, failing.violation.message):
            if tried >= _CANDIDATES or operations + flip.operations > _OPERATIONS:
                break
            tried += 1
            run = flip.without(candidate)
            if run is None:
                continue
            if run.violation is not None:
                if run.violation.signature != failing.violation.signature:
                    (otherwise if flip.is_certain else uncertain).append((flip, candidate, run))
            elif not flip.is_certain:
                uncertain.append((flip, candidate, run))
            elif flip.fails_alike(candidate):
                return candidate, run, "B"
        operations += flip.operations
    # Of the uncertain ones, those that pass come first.
    uncertain.sort(key=lambda each: each[2].violation is not None)
    for found, earlier in ((otherwise, "B"), (uncertain, "B, or another operation that looks the same,")):
        for flip, candidate, run in found:
            if flip.fails_alike(candidate):
                return candidate, run, earlier
    return None


def _explanation(recording: Recording, candidate: Candidate, without: Run, earlier: str) -> Explanation:
    first, second = candidate.first, candidate.second
    then = "passes" if without.violation is None else f"fails otherwise: {without.violation.message.rstrip('.')}"
    if second < recording.length:
        return Explanation(candidate.attempt, first, second, f"The same run with {earlier} before A {then}.")
    step = recording.order.steps[second]
    later = f"rank {step.rank}'s {in_words(step, recording.keys[second])}"
    flipped = f"A comes before {later}, which the failure forestalls. The same run with that before A {then}."
    return Explanation(candidate.attempt, first, None, flipped)


def _without_a_pair(experiment: Experiment, failing: Run) -> str:
    faults = [text for record in failing.attempts for _, text in record.faults]
    if any(kind == "power" for _, kind, _, _ in failing.tape.choices):
        tape = Tape({a: value for a, value in failing.tape.choices.items() if a[1] not in ("power", "lost")})
        powered = experiment.run(TapeReplay(tape), tape, judge_by=partial(experiment.judge, outages=False))
        if powered.violation is None:
            return f"What did not reach the disk decides ({'; '.join(faults)}): with the power on, the same run passes."
    if faults:
        tape = Tape({address: value for address, value in failing.tape.choices.items() if address[1] == "schedule"})
        if experiment.run(TapeReplay(failing.tape), tape).violation is None:
            return f"The fault decides ({'; '.join(faults)}): without it the same schedule passes."
    undisturbed = experiment.run(TapeReplay(Tape()))
    if undisturbed.violation is not None and undisturbed.violation_name == failing.violation_name:
        return "No pair of operations was found whose order decides it: the undisturbed run fails too."
    return "No pair of operations was found whose order decides it." + _by_a_switch(experiment, failing)


def _by_a_switch(experiment: Experiment, failing: Run) -> str:
    """The last choice of the schedule without which the run passes, in words."""
    for attempt in reversed(range(len(failing.attempts))):
        steps = failing.attempts[attempt].steps
        keys = keys_of(steps)
        places = {(step.task, step.n + 1): position for position, step in enumerate(steps)}
        switches = [a for a in failing.tape.choices if a[:2] == (attempt, "schedule") and a[2:] in places]
        for address in sorted(switches, key=lambda address: -places[address[2], address[3]]):
            tape = failing.tape.without(address)
            without = experiment.run(TapeReplay(tape), tape)
            if without.violation is None and without.incomplete is None:
                position = places[address[2], address[3]]
                step, said = steps[position], in_words(steps[position], keys[position])
                return f" If rank {step.rank} is not interrupted after its {said}, the run passes."
    return ""
