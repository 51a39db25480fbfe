"""Recorded runs of a test, made again."""

from __future__ import annotations

import warnings

import msgspec

from simulator.boundary import installed
from simulator.campaigns.explanation.failure import failure_of
from simulator.campaigns.replay.replaying import replay
from simulator.campaigns.result import Failure, Result
from simulator.experiment import Experiment
from simulator.pytest_plugin.program import RankProgram
from simulator.schedulers.replay import TapeReplay
from simulator.trace import Trace


def fits(recorded: Trace, experiment: Experiment) -> bool:
    """Whether a trace is one of this job: what can happen in it is the same."""
    here = experiment.recorded()
    parts = ("cluster", "filesystem", "faults", "restarts")
    return all(_plain(recorded.scenario.get(part)) == _plain(here.get(part)) for part in parts)


def _plain(value: object) -> object:
    """As JSON gives it back."""
    return msgspec.json.decode(msgspec.json.encode(value))


def replayed(experiment: Experiment, recorded: Trace, on: str) -> Result:
    """What the experiment does on the choices of a recording; a failure that has changed is explained anew."""
    recorded.remember(experiment)
    result = replay(recorded, on=on)
    if result.failure is None or result.failure.trace.digest == recorded.digest or on != "model":
        return result
    with installed():
        tape = recorded.choices()
        run = experiment.run(TapeReplay(tape), tape)
        result.failure = failure_of(experiment, run, 1)
    return result


def raised_by(program: RankProgram, experiment: Experiment, failure: Failure) -> BaseException | None:
    """What the rank raised that the failure names, with its traceback; None where it is about something else.

    The failing run is made once more for it, and this time what the ranks log is recorded.
    """
    tape = failure.trace.choices()
    program.raised = {}
    with installed(), warnings.catch_warnings():
        warnings.showwarning = _seen
        experiment.run(TapeReplay(tape), tape)
    raised, program.raised = program.raised, None
    if failure.invariant != "no-error" or failure.rank not in raised:
        return None
    return raised[failure.rank].restored()


def _seen(*_: object, **__: object) -> None:
    """A warning that was shown before."""
