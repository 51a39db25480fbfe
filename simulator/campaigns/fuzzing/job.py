"""The work that is handed out: a batch of proposed runs of one scenario. It depends on the request alone."""

from __future__ import annotations

import os
import threading
import time
from array import array

import msgspec

from simulator.boundary import installed
from simulator.campaigns.fuzzing.coverage import races_of, strikes_of
from simulator.campaigns.fuzzing.prepared import Prepared, prepared
from simulator.campaigns.fuzzing.proposal import Broken, Outcome, Proposal
from simulator.campaigns.searching.determinism import check_same
from simulator.campaigns.searching.sampling import digest_of_run
from simulator.engines.template import die_with
from simulator.errors import CkptraceError
from simulator.interruption import leave_to_the_parent, leaving
from simulator.run import Run
from simulator.scenario import Scenario
from simulator.schedulers.replay import TapeReplay


class Request(msgspec.Struct, frozen=True):
    """What is to be run.

    The reply has the same ``ticket``. ``known`` holds the pairs that the scenario has covered so far (an array of
    64-bit numbers), ``signatures`` are those of its failures so far. ``check`` is the number of the proposal that is
    run twice and compared, -1 for none. No further run begins when ``seconds`` have passed.
    """

    ticket: int
    session: str
    origin: int
    scenario: Scenario
    proposals: list[Proposal]
    known: bytes = b""
    signatures: list[str] = []
    check: int = -1
    seconds: float | None = None


class Reply(msgspec.Struct):
    """What came of a request.

    There may be fewer outcomes than there were proposals where time was up. ``problem`` is what kept the scenario from
    being run, in words: the code under test is not deterministic, say, or escapes. ``states`` were judged for the first
    time in that process. ``digest`` is that of the last run.
    """

    ticket: int
    outcomes: list[Outcome]
    seconds: float
    states: int = 0
    digest: str | None = None
    problem: str | None = None
    guided: bool = True


def make_runs(request: Request) -> Reply:
    """Make the runs of a request, one after the other."""
    leave_interrupts_to(request.origin)
    started = time.perf_counter()
    reply = Reply(request.ticket, [], 0.0)
    try:
        with installed(), leaving():
            _make_runs(request, reply, started)
    except CkptraceError as error:
        reply.problem = str(error)
    reply.seconds = time.perf_counter() - started
    return reply


def _make_runs(request: Request, reply: Reply, started: float) -> None:
    ready = prepared(request.scenario, request.session)
    reply.guided = ready.guided
    verdicts = ready.experiment.verdicts
    before = verdicts.judged if verdicts is not None else 0
    known, signatures = _unpacked(request.known), set(request.signatures)
    run: Run | None = None
    for number, proposal in enumerate(request.proposals):
        if request.seconds is not None and number and time.perf_counter() - started > request.seconds:
            break
        run = ready.run(proposal)
        if number == request.check:
            check_same(run, ready.past(proposal.known).run(TapeReplay(run.tape), run.tape), "its own tape")
        reply.outcomes.append(_outcome(number, run, ready, known, signatures))
    if verdicts is not None:
        reply.states = verdicts.judged - before
    if run is not None:
        reply.digest = digest_of_run(run)


def _outcome(number: int, run: Run, ready: Prepared, known: set[int], signatures: set[str]) -> Outcome:
    races = races_of(run, ready.identities) if ready.guided else []
    pairs = {race.pair for race in races}
    pairs.update(strikes_of(run, ready.identities))
    violation = run.violation
    lengths = [len(attempt.steps) for attempt in run.attempts]
    outcome = Outcome(number, sorted(pairs), run.operations, run.interleaved, lengths, run.incomplete)
    outcome.only = ready.only
    outcome.met = bool(run.met) or violation is not None
    news = not pairs <= known
    if violation is not None:
        outcome.broken = Broken(violation.invariant, violation.message, violation.rank, violation.signature)
        news = news or violation.signature not in signatures
        signatures.add(violation.signature)
    if news:
        known |= pairs
        outcome.tape = run.tape.entries()
        outcome.races = races
    return outcome


def leave_interrupts_to(origin: int) -> None:
    """In a process that ``origin`` has started, let signals be, which reach all of a terminal: that one decides.

    It is not outlived, either. Elsewhere, on another machine say, nothing is changed.
    """
    if os.getppid() == origin and threading.current_thread() is threading.main_thread():
        leave_to_the_parent()
        die_with(origin)


def packed(pairs: set[int]) -> bytes:
    """Pairs in the form in which a request takes them."""
    return array("Q", sorted(pairs)).tobytes()


def _unpacked(pairs: bytes) -> set[int]:
    found = array("Q")
    found.frombytes(pairs)
    return set(found)
