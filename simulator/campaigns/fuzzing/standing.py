"""Where fuzzing of one scenario stands: what was run, covered and found, in this session and in those before."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import msgspec

from simulator.campaigns.fuzzing.corpus import Found, Kept, Progress, Shelf
from simulator.campaigns.fuzzing.guide import Guide
from simulator.campaigns.fuzzing.job import Reply
from simulator.campaigns.fuzzing.proposal import REPLAY, Broken, Outcome, Proposal
from simulator.invariants.violation import gravity_of
from simulator.scenario import Scenario
from simulator.trace import Trace


class KnownFailure:
    """A failure of a scenario. It is ``known`` when a session before this one has found it.

    It ``stands`` when a run of this session has failed in this way; a known one that does not was repaired, or was not
    tried yet. ``trace`` is the file of its trace, once it is minimised.
    """

    def __init__(self, found: Found, *, known: bool, trace: Path | None = None) -> None:
        self.found = found
        self.known = known
        self.stands = not known
        self.tried = not known
        self.trace = trace


class Standing:
    """One scenario of a campaign. ``name`` is what it is called, ``content`` with absolute paths what is run.

    ``schedules`` counts the runs of this session, without the ``rerun`` ones, whose tapes come from the corpus.
    ``problem`` is why it was given up, in words; ``unended`` the runs that a budget ended, ``unended_by`` the first.
    ``exhausted``: no run can differ from the one that was made. ``instants`` are those of the undisturbed run.
    ``met`` counts the runs that ran into a failure; with ``go_on``, known ones are set aside.
    """

    def __init__(
        self,
        name: str,
        scenario: Scenario,
        content: Scenario,
        shelf: Shelf,
        seed: int,
        code: str,
        *,
        go_on: bool = True,
    ) -> None:
        self._go_on = go_on
        self.name = name
        self.scenario = scenario
        self.content = content
        self.shelf = shelf
        self.code = code
        before = shelf.progress()
        kept, known = shelf.tapes(), shelf.found()
        self.earlier = max([before.schedules, *(each.schedule for each in kept), *(each.schedule for each in known)])
        self._seconds_before = before.seconds
        self.guide = Guide(seed, max(before.proposed, self.earlier))
        self.failures = {each.broken.signature: self._known(each) for each in known}
        self.tapes = len(kept)
        self._put_back: deque[Proposal] = deque()
        self._reruns = deque(
            [
                *(Proposal(REPLAY, 0, tape=found.tape, known=found.known, as_found=True) for found in known),
                *(Proposal(REPLAY, 0, tape=each.tape) for each in kept),
            ]
        )
        self.handed = 0
        self.schedules = 0
        self.rerun = 0
        self.operations = 0
        self.states = 0
        self.seconds = 0.0
        self.interleaved = False
        self.met = 0
        self.exhausted = False
        self.instants = 0
        self.checked = False
        self.guided = True
        self.unended = 0
        self.unended_by: str | None = None
        self.problem: str | None = None
        self.digest: str | None = None

    def _known(self, found: Found) -> KnownFailure:
        path = self.shelf.trace_of(found)
        current = found.code == self.code and path.exists()
        return KnownFailure(found, known=True, trace=path if current else None)

    @property
    def standing_failures(self) -> list[KnownFailure]:
        """The failures that the code under test has now, the gravest first, then that which was found first."""
        return sorted(
            (each for each in self.failures.values() if each.stands),
            key=lambda each: (gravity_of(each.found.broken.invariant), each.found.schedule),
        )

    @property
    def repaired(self) -> list[KnownFailure]:
        """Those that were found once and did not come again on their own tape."""
        return [each for each in self.failures.values() if each.tried and not each.stands]

    @property
    def untried(self) -> int:
        """How many failures of earlier sessions were not tried again so far."""
        return sum(not failure.tried for failure in self.failures.values())

    @property
    def returning(self) -> bool:
        """Whether runs of the corpus are still to be made again."""
        return bool(self._reruns)

    def propose(self, most: int, unused: int) -> list[Proposal]:
        """The next runs to make, ``most`` of them at most, and no more than ``unused`` but for those of the corpus.

        The undisturbed run is the first, then comes what is in the corpus.
        """
        found: list[Proposal] = []
        while len(found) < most:
            if self._reruns and self.handed:
                found.append(self._past_known(self._reruns.popleft()))
                continue
            if not unused:
                break
            found.append(self._past_known(self._put_back.popleft() if self._put_back else self.guide.propose()))
            self.handed += 1
            unused -= 1
        return found

    def _past_known(self, proposal: Proposal) -> Proposal:
        """The proposal, which goes on past the failures that are known to stand."""
        standing = sorted(signature for signature, failure in self.failures.items() if failure.stands)
        if not self._go_on or proposal.as_found or not standing:
            return proposal
        return msgspec.structs.replace(proposal, known=standing)

    def put_back(self, proposals: list[Proposal]) -> None:
        """Time did not suffice for these: they come next."""
        for proposal in reversed(proposals):
            (self._reruns if proposal.is_rerun else self._put_back).appendleft(proposal)
            self.handed -= not proposal.is_rerun

    def learn(self, proposals: list[Proposal], reply: Reply) -> tuple[float, list[KnownFailure]]:
        """Take in what came of proposals. Gives what they have yielded, and the failures that have to be finished.

        Tapes and failures that are new are in the corpus when this returns.
        """
        self.seconds += reply.seconds
        self.states += reply.states
        self.digest = reply.digest or self.digest
        self.guided = self.guided and reply.guided
        if reply.problem is not None and self.problem is None:
            self.problem = reply.problem
        self.put_back(proposals[len(reply.outcomes) :])
        gain, unfinished = 0.0, []
        for outcome in reply.outcomes:
            proposal = proposals[outcome.proposal]
            again = proposal.is_rerun
            self.rerun += again
            self.schedules += not again
            self.operations += outcome.operations
            self._note(outcome)
            new = self.guide.learn(proposal, outcome)
            if again:
                self._note_rerun(proposal)
            if new and proposal.tape != outcome.tape:
                self.tapes += 1
                self.shelf.keep_tape(Kept(self._number, proposal.arm, outcome.tape))
            if outcome.broken is not None:
                failure = self._failed(proposal, outcome, outcome.broken)
                if failure is not None:
                    unfinished.append(failure)
            gain += new and not again
        return gain + len(unfinished), unfinished

    @property
    def _number(self) -> int:
        return self.earlier + self.schedules

    def _note(self, outcome: Outcome) -> None:
        self.interleaved = self.interleaved or outcome.interleaved
        self.met += outcome.met
        if outcome.incomplete is not None:
            self.unended += 1
            self.unended_by = self.unended_by or outcome.incomplete
        self.exhausted = self.exhausted or outcome.only
        if not self.instants:
            self.instants = sum(outcome.lengths) + len(outcome.lengths)

    def _note_rerun(self, proposal: Proposal) -> None:
        for failure in self.failures.values():
            failure.tried = failure.tried or failure.found.tape == proposal.tape

    def _failed(self, proposal: Proposal, outcome: Outcome, broken: Broken) -> KnownFailure | None:
        """The failure, if somebody has to finish it."""
        failure = self.failures.get(broken.signature)
        if failure is None:
            found = Found(self._number, proposal.arm, broken, outcome.tape, known=proposal.known)
            self.shelf.keep_found(found)
            self.failures[broken.signature] = failure = KnownFailure(found, known=False)
            return failure
        first = not failure.stands
        failure.stands = failure.tried = True
        if first and failure.trace is None:
            # The code has changed, or the last session was ended before it came to that: from the tape of now.
            if outcome.tape:
                failure.found = msgspec.structs.replace(failure.found, tape=outcome.tape, known=proposal.known)
            failure.found = msgspec.structs.replace(failure.found, broken=broken)
            return failure
        return None

    def keep_finished(self, failure: KnownFailure, found: Found, trace: Trace) -> None:
        """A failure was minimised, explained and confirmed: put that into the corpus."""
        self.shelf.keep_trace(found, trace)
        self.shelf.keep_found(found)
        failure.found, failure.trace = found, self.shelf.trace_of(found)

    def keep_progress(self) -> None:
        """Write how far it has come, if it has come any further."""
        if self.schedules:
            seconds = self._seconds_before + self.seconds
            self.shelf.keep_progress(Progress(self._number, self.guide.proposed, seconds))
