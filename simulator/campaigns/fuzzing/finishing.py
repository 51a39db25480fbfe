"""From a failure as it was found to what a person gets: minimised, explained, and confirmed on a real disk."""

from __future__ import annotations

import msgspec

from simulator.boundary import installed
from simulator.campaigns.explanation.failure import failure_of
from simulator.campaigns.fuzzing.corpus import Found
from simulator.campaigns.fuzzing.job import leave_interrupts_to
from simulator.campaigns.fuzzing.prepared import prepared
from simulator.campaigns.replay.confirming import confirmed_or_why_not
from simulator.errors import CkptraceError
from simulator.exhaustive.code_under_test import digest_of_code
from simulator.scenario import Scenario
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from simulator.trace import Trace

_RERUNS = 3000
"""So many re-runs minimising may take at most ..."""
_OPERATIONS = 600_000
"""... and it may carry out about so many operations, some seconds, but at least a few re-runs."""
_LEAST = 50


class FinishRequest(msgspec.Struct, frozen=True):
    """A failure to finish; the fields are those of ``job.Request``."""

    ticket: int
    session: str
    origin: int
    scenario: Scenario
    found: Found
    confirm: bool


class Finished(msgspec.Struct):
    """A finished failure and its trace; or a ``problem``, in words: it does not repeat, say."""

    ticket: int
    found: Found
    trace: Trace | None = None
    problem: str | None = None


def finish(request: FinishRequest) -> Finished:
    """Minimise, explain and confirm a failure."""
    leave_interrupts_to(request.origin)
    finished = Finished(request.ticket, request.found)
    try:
        _finish(request, finished)
    except CkptraceError as error:
        finished.problem = str(error)
    return finished


def _finish(request: FinishRequest, finished: Finished) -> None:
    found = request.found
    with installed():
        experiment = prepared(request.scenario, request.session).past(found.known)
        tape = Tape.of_entries(found.tape)
        run = experiment.run(TapeReplay(tape), tape)
        if run.violation is None or run.violation.signature != found.broken.signature:
            now = "nothing is violated" if run.violation is None else run.violation.message
            finished.problem = (
                "the code under test is not deterministic: a failure does not repeat on its own tape: "
                f"{found.broken.message}, then; {now}, now"
            )
            return
        budget = max(_LEAST, min(_RERUNS, _OPERATIONS // max(1, run.operations)))
        failure = failure_of(experiment, run, found.schedule, budget=budget)
        said = confirmed_or_why_not(failure.trace) if request.confirm else None
        code = digest_of_code(experiment)
    finished.found = msgspec.structs.replace(
        found,
        code=code,
        outcome=None if said is None else said.outcome,
        disk=None if said is None else said.text,
        filesystem=None if said is None else said.filesystem,
    )
    # A copy, which does not remember its experiment: that stays in this process.
    finished.trace = msgspec.structs.replace(failure.trace)
