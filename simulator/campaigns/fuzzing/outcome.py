"""What fuzzing gives back: for each scenario a result as of any other search, and all its failures."""

from __future__ import annotations

from pathlib import Path

import msgspec

from simulator.campaigns.fuzzing.corpus import Found
from simulator.campaigns.fuzzing.standing import KnownFailure, Standing
from simulator.campaigns.result import Failure, Result
from simulator.campaigns.searching.findings import everything_met
from simulator.campaigns.searching.vacuity import one_class_in_words
from simulator.errors import CkptraceError
from simulator.experiment import Experiment
from simulator.trace import load


class FuzzedFailure(msgspec.Struct):
    """A failure; ``known`` when an earlier session found it. Without a ``trace`` it was not minimised in time."""

    found: Found
    known: bool
    trace: Path | None

    @property
    def disagrees(self) -> bool:
        """Whether model and disk disagree about it: then it is a fault of this tool, and no finding."""
        return self.found.outcome == "disagree"


class FuzzedScenario(msgspec.Struct):
    """What came of one scenario. ``failures`` stand, the gravest first; ``repaired`` no longer do.

    ``result.failures`` are those that were minimised. ``pairs`` are the ordered pairs of conflicting
    operations that were covered, ``tapes`` those in the corpus, ``rerun`` how many of them were run again.
    """

    name: str
    result: Result
    failures: list[FuzzedFailure]
    repaired: list[Found]
    pairs: int
    tapes: int
    rerun: int
    earlier: int
    """Schedules of earlier sessions."""


class FuzzResult(msgspec.Struct):
    """The outcome of fuzzing. ``ended`` says what ended it, in words; ``problem`` is why it was given up, if it was."""

    scenarios: list[FuzzedScenario]
    seconds: float
    seed: int
    ended: str
    corpus: Path
    problem: CkptraceError | None = None

    @property
    def verdict(self) -> str:
        """violated, incomplete or clean: of what any of the scenarios has, the first of these."""
        verdicts = {scenario.result.verdict for scenario in self.scenarios}
        return next(verdict for verdict in ("violated", "incomplete", "clean") if verdict in verdicts)

    @property
    def exit_code(self) -> int:
        """1 for a failure that is one; 3 where model and disk disagree, it was given up or is incomplete; else 0."""
        failures = [failure for scenario in self.scenarios for failure in scenario.failures]
        if any(not failure.disagrees for failure in failures):
            return 1
        return 0 if self.verdict == "clean" and self.problem is None else 3


def fuzzed(standing: Standing, experiment: Experiment, seed: int) -> FuzzedScenario:
    """What came of a scenario."""
    failures = [FuzzedFailure(each.found, each.known, each.trace) for each in standing.standing_failures]
    reason = _reason(standing)
    finished = [_failure(each) for each in standing.standing_failures if each.trace is not None]
    failure = finished[0] if finished else None
    return FuzzedScenario(
        name=standing.name,
        result=Result(
            verdict="violated" if failures else "incomplete" if reason is not None else "clean",
            schedules=standing.schedules,
            seconds=standing.seconds,
            seed=seed,
            scenario=experiment.described(),
            states=standing.states,
            operations=standing.operations,
            failure=failure,
            failures=finished,
            hidden=everything_met(standing.schedules)
            if standing.met >= standing.schedules + standing.rerun > 1
            else None,
            digest=failure.trace.digest if failure is not None else standing.digest,
            coverage=_coverage(standing, experiment),
            reason=reason,
        ),
        failures=failures,
        repaired=[each.found for each in standing.repaired],
        pairs=len(standing.guide.covered),
        tapes=standing.tapes,
        rerun=standing.rerun,
        earlier=standing.earlier,
    )


def _failure(known: KnownFailure) -> Failure:
    assert known.trace is not None
    trace = load(known.trace)
    verdict = trace.verdict
    assert verdict is not None, "the trace of a failure has no verdict"
    return Failure(
        verdict.invariant, verdict.rank, verdict.message, verdict.signature, trace, schedule=known.found.schedule
    )


def _reason(standing: Standing) -> str | None:
    """Why it could not be called clean."""
    if standing.problem is not None:
        return standing.problem
    if standing.untried:
        return f"fuzzing was ended before {standing.untried:,} known failures were tried again"
    if not standing.schedules:
        return "fuzzing was ended before it was run"
    if standing.unended:
        return f"{standing.unended:,} of {standing.schedules:,} runs did not end, the first by {standing.unended_by}"
    return None


def _coverage(standing: Standing, experiment: Experiment) -> str:
    again = f" and {standing.rerun:,} of the corpus again" if standing.rerun else ""
    covered = (
        f"{len(standing.guide.covered):,} ordered pairs of conflicting operations"
        if standing.guided
        else "not guided: this file system does not tell what operations touch"
    )
    alone = ""
    if standing.schedules and not standing.interleaved:
        said = one_class_in_words(standing.instants, judged=experiment.judges_instants)
        alone = f"1 class: {said}; "
    return f"{alone}fuzzed: {standing.schedules:,} schedules{again}, {covered}{experiment.faults_in_words()}"
