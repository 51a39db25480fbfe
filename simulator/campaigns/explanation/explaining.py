"""Why a run failed: the pair of operations whose order decides it, shown by runs in which only that order differs.

A pair decides when both operations were done when the run failed, they conflict, and two runs in which they stand side
by side and that differ in their order alone, everything else being as it was recorded, end differently: the one fails
as recorded, the other does not. Nothing is claimed that was not run: where no single pair decides, that is said, with
what was found instead.
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
NO_PAIR = "No single pair of operations was found whose order decides it"
"""How an explanation begins that names none."""


class Explanation(msgspec.Struct, frozen=True):
    """Positions of the deciding pair in the attempt's events, None where no single pair decides.

    ``flipped`` says what the run with the pair the other way round gives. ``first`` alone is an operation that comes
    too early: what it should have come after had not been done when the run failed; ``text`` names it. ``other_order``
    is the tape of the run in which what is named comes the other way round.
    """

    attempt: int
    first: int | None
    second: int | None
    flipped: str
    text: str = ""
    other_order: Tape | None = None

    def table(self) -> dict[str, Any]:
        """The form that a trace keeps."""
        table: dict[str, Any] = {"flipped": self.flipped, "text": self.text}
        for name, position in (("first", self.first), ("second", self.second)):
            if position is not None:
                table[name] = {"attempt": self.attempt, "position": position}
        if self.other_order is not None:
            table["other_order"] = self.other_order.entries()
        return table


class _Reversed(msgspec.Struct):
    """A candidate whose other order does not fail alike, and the run that has it."""

    candidate: Candidate
    recording: Recording
    run: Run

    @property
    def passes(self) -> bool:
        return self.run.violation is None

    @property
    def gives(self) -> str:
        """What the run with the other order gives, in words."""
        violation = self.run.violation
        return "passes" if violation is None else f"fails otherwise: {violation.message.rstrip('.')}"

    def in_words(self, position: int) -> str:
        """An operation of the candidate, and whose it is."""
        step = self.recording.order.steps[position]
        return f"rank {step.rank}'s {in_words(step, self.recording.keys[position])}"


def explain(experiment: Experiment, failing: Run) -> Explanation:
    """Find the deciding pair of a failing run; says so where no order of two operations decides.

    The boundary must be installed.
    """
    reversals = _Reversals(experiment, failing)
    pair = reversals.best(pairs=True)
    if pair is not None and pair.passes:
        return _decides(pair)
    other = reversals.best(pairs=False)
    if other is not None and other.passes and not other.candidate.was_done:
        return _too_early(other)
    if pair is not None:
        return _decides(pair)
    text = _what_else_decides(experiment, failing)
    if text is None and other is not None:
        return _together(other) if other.candidate.was_done else _too_early(other)
    return Explanation(len(failing.attempts) - 1, None, None, "", text or _nothing_found(experiment, failing))


class _Reversals:
    """Runs of a recorded failure with one pair after the other reversed."""

    def __init__(self, experiment: Experiment, failing: Run) -> None:
        assert failing.violation is not None
        self._failing = failing
        self._violation = failing.violation
        self._recordings = recordings_of(experiment, failing)
        self._flips = [Flip(experiment, failing, self._recordings, required(each)) for each in self._recordings]
        self._candidates = [candidates(each, failing.violation.message) for each in self._recordings]
        self._left = _CANDIDATES

    def best(self, *, pairs: bool) -> _Reversed | None:
        """Of the pairs that may decide, or of the other candidates, the first whose other order passes, if any.

        Those of the last attempt come before those of the ones before it. One whose other order fails in another way
        is second best. One of which the programs may have done another operation that looks the same does not count.
        """
        found: list[tuple[Flip, _Reversed]] = []
        for recording, flip in zip(reversed(self._recordings), reversed(self._flips), strict=True):
            for candidate in self._candidates[recording.attempt]:
                if candidate.may_decide is not pairs:
                    continue
                if not self._left or sum(each.operations for each in self._flips) > _OPERATIONS:
                    break
                self._left -= 1
                run = flip.without(candidate)
                if run is None or not flip.is_certain:
                    continue
                if run.violation is not None and run.violation.signature == self._violation.signature:
                    continue
                reversed_ = _Reversed(candidate, recording, run)
                if not reversed_.passes:
                    found.append((flip, reversed_))
                elif flip.fails_alike(candidate):
                    return reversed_
        return next((each for flip, each in found if flip.fails_alike(each.candidate)), None)


def _decides(pair: _Reversed) -> Explanation:
    attempt, first, second = pair.candidate.attempt, pair.candidate.first, pair.candidate.second
    flipped = f"The same run with B before A {pair.gives}."
    return Explanation(attempt, first, second, flipped, other_order=pair.run.tape)


def _too_early(found: _Reversed) -> Explanation:
    candidate = found.candidate
    said = found.in_words(candidate.second)
    text = f"{NO_PAIR}. A comes before {said}, which the failure forestalls: the same run with that before A "
    return Explanation(
        candidate.attempt, candidate.first, None, "", f"{text}{found.gives}.", other_order=found.run.tape
    )


def _together(found: _Reversed) -> Explanation:
    candidate = found.candidate
    first, second = (found.in_words(position) for position in (candidate.first, candidate.second))
    text = f"{NO_PAIR}. The same run with {second} before {first} {found.gives}."
    return Explanation(candidate.attempt, None, None, "", text, other_order=found.run.tape)


def _what_else_decides(experiment: Experiment, failing: Run) -> str | None:
    """That the power failed, or a fault struck, in words; None where the run fails without that, too."""
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
    return None


def _nothing_found(experiment: Experiment, failing: Run) -> str:
    undisturbed = experiment.run(TapeReplay(Tape()))
    if undisturbed.violation is not None and undisturbed.violation_name == failing.violation_name:
        return f"{NO_PAIR}: the undisturbed run fails too."
    return f"{NO_PAIR}." + _by_a_switch(experiment, failing)


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
