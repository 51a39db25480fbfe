"""Certify a scenario: every class of its interleavings, or the first violation that one of them has."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import msgspec

from simulator.boundary import installed
from simulator.campaigns.arguments import named_arguments
from simulator.campaigns.explanation.failure import failure_of, unfinished_failure
from simulator.campaigns.given import Invariants
from simulator.campaigns.interface import Programs, experiment_of
from simulator.campaigns.result import Failure, Result
from simulator.campaigns.searching.determinism import undisturbed_run
from simulator.campaigns.searching.keeping import Keeper
from simulator.campaigns.searching.sampling import rank_lengths
from simulator.campaigns.searching.stopping import Stopped, Stopping
from simulator.campaigns.searching.vacuity import breakdown_of, check_touches_files, instants_of, one_class_in_words
from simulator.engines.watchdog import Stuck
from simulator.errors import CannotDo, UsageError
from simulator.exhaustive.certificate import certificate_of
from simulator.exhaustive.checkpoint import load
from simulator.exhaustive.injections import check_bounds
from simulator.exhaustive.outages import DISKS_OF_A_CUT
from simulator.exhaustive.parallel import in_parallel
from simulator.exhaustive.search import Counts, Following, Proof, Search
from simulator.experiment import Experiment
from simulator.faults import Faults
from simulator.interruption import interruptible, leaving
from simulator.run import Run
from simulator.scenario import FilesystemChoice, Scenario

Progress = Callable[[int, float, float], None]
"""Called after each run with the number of classes, an estimate of the part that is done, and the seconds used."""


@named_arguments
def certify(
    programs: Programs | Scenario | Experiment,
    *,
    nodes: int | None = None,
    ranks_per_node: int | None = None,
    filesystem: str | FilesystemChoice = "shared",
    persistence: str | None = None,
    pick: Callable[[Path], Path | None] | None = None,
    invariants: Invariants = (),
    faults: Faults | None = None,
    restarts: int = 0,
    preemptions: int | None = None,
    max_classes: int | None = None,
    seconds: float | None = None,
    checkpoint: Path | str | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Result:
    """Explore every class of interleavings of a program, of one program a rank, of a strategy, or of a scenario.

    The verdict is ``certified``, ``violated`` or ``incomplete``; ``classes`` were explored, ``schedules`` run for them,
    ``blocked`` of which were for nothing. ``preemptions`` bounds how often a rank is interrupted that could have gone
    on; ``max_classes`` and ``seconds`` stop early, which is ``incomplete``. So does Ctrl-C, SIGTERM or SIGHUP if there
    is a ``checkpoint``: a file that keeps how far a search has come that was stopped; if it is there, the search goes
    on from it. ``workers`` processes search side by side.

    Raises UsageError for arguments that make no sense, Escape when code under test reaches the real disk, CannotDo
    when no rank makes a call about a file, or the code is not deterministic or does what the search cannot order.
    """
    for name, value, least in (
        ("preemptions", preemptions, 0),
        ("max_classes", max_classes, 1),
        ("workers", workers, 1),
    ):
        if value is not None and value < least:
            raise UsageError(f"{name}: must be at least {least}, is {value}")
    experiment = experiment_of(
        programs,
        nodes=nodes,
        ranks_per_node=ranks_per_node,
        filesystem=filesystem,
        persistence=persistence,
        faults=faults,
        restarts=restarts,
        pick=pick,
        invariants=invariants,
    )
    _check_budget(experiment)
    experiment.disks_of_an_instant = DISKS_OF_A_CUT
    started = time.perf_counter()
    path = None if checkpoint is None else Path(checkpoint)
    stopping = Stopping(seconds, max_classes)
    with installed(), nullcontext() if path is None else interruptible():
        undisturbed = undisturbed_run(experiment)
        check_touches_files(undisturbed, experiment.scenario)
        search, before = Search(experiment, preemptions=preemptions), 0.0
        if path is not None and path.exists():
            search, before = load(experiment, preemptions, path)
        reason = undisturbed.incomplete
        if reason is None:
            keeper = None if path is None else Keeper(path, started - before)
            search, reason = _explored(search, workers, stopping, keeper, progress, started - before)
        searched = time.perf_counter() - started + before
        failure = _failure(experiment, search, undisturbed)
        minimising = time.perf_counter() - started + before - searched if failure is not None else 0.0
    result = _result(search, reason, failure, undisturbed, searched)
    return msgspec.structs.replace(result, minimising=minimising)


def _check_budget(experiment: Experiment) -> None:
    """Raise UsageError for what the search would not branch over."""
    if experiment.scenario.known:
        raise UsageError("known: a certificate sets no failure aside; explore does")
    faults = experiment.scenario.faults
    for field in ("slow_ranks", "clock_skew", "clock_drift"):
        if getattr(faults, field):
            raise UsageError(f"faults.{field}: exhaustive search cannot go through all clocks; explore samples them")
    if faults.node_hangs:
        raise UsageError("faults.node_hangs: exhaustive search does not let nodes hang; explore samples it")
    for rule in faults.errors:
        if rule.effect != "fail":
            raise UsageError(f"faults.errors: exhaustive search goes through no {rule.effect!r}; explore samples it")
    check_bounds(experiment)
    if experiment.costs is not None:
        raise UsageError(
            "costs.profile: with costs the order of modification times is not that of the operations, which exhaustive "
            "search cannot go through; explore samples it"
        )


def _explored(
    search: Search, workers: int, stopping: Stopping, keeper: Keeper | None, progress: Progress | None, started: float
) -> tuple[Search, str | None]:
    """Search to the end of the last pass, or until it must stop; gives the pass under way, and why it stopped."""
    reason: str | None = None
    with leaving() as left:
        try:
            while True:
                for counts in _counts(search, workers, stopping):
                    if progress is not None:
                        progress(counts.classes, search.fraction, time.perf_counter() - started)
                    if keeper is not None:
                        keeper.keep_now_and_then(search)
                    if not search.is_over:
                        stopping.look_at(counts.classes)
                if search.proof is not None or search.wider == search.looks:
                    break
                search = search.again()
        except (Stopped, Stuck) as stop:
            reason = str(stop)
    if left.by is not None:
        reason = f"{left.by} before every class was explored"
    if keeper is not None:
        if reason is None:
            keeper.forget()
        else:
            keeper.keep(search)
    return search, reason


def _counts(search: Search, workers: int, stopping: Stopping) -> Iterator[Counts]:
    if workers == 1:
        return search.in_this_process(stopping.look_up)
    return in_parallel(search, workers, stopping.look_up)


def _failure(experiment: Experiment, search: Search, undisturbed: Run) -> Failure | None:
    """The violation that was found, minimised and explained."""
    failing = undisturbed
    if search.proof is not None:
        failing = _run_of(experiment, search.proof)
        if failing.violation is None:
            raise CannotDo(
                f"the search found a violation of {search.proof.finding.invariant} that a run of its schedule does not "
                "have: this is a fault of ckptrace and says nothing about the code under test"
            )
    if failing.violation is None:
        return None
    return failure_of(experiment, failing, search.earlier.runs + search.counts.runs)


def _run_of(experiment: Experiment, proof: Proof) -> Run:
    """The run that the search says is violated."""
    schedules = [*(past.grants for past in proof.start.pasts), proof.finding.schedule]
    return experiment.run(Following(schedules), proof.start.tape(sorted(proof.plan), proof.finding.death))


def _result(search: Search, reason: str | None, failure: Failure | None, undisturbed: Run, seconds: float) -> Result:
    experiment = search.experiment
    reason = reason or search.reason or breakdown_of(undisturbed, experiment.scenario)
    certificate = certificate_of(search, seconds)
    verdict = "violated" if failure is not None else "incomplete" if reason is not None else "certified"
    alone = ""
    if verdict == "certified" and not search.interleaved:
        alone = one_class_in_words(instants_of(undisturbed), judged=experiment.judges_instants)
    return Result(
        verdict=verdict,
        schedules=certificate.executions,
        seconds=seconds,
        seed=0,
        scenario=experiment.described(),
        classes=certificate.classes,
        blocked=certificate.redundant,
        states=certificate.states,
        operations=certificate.operations,
        failure=failure,
        digest=failure.trace.digest if failure is not None else certificate.digest,
        coverage=certificate.in_words(complete=verdict == "certified", alone=alone),
        reason=reason if failure is None else unfinished_failure(),
        lengths=rank_lengths(undisturbed, experiment.scenario.cluster.world_size),
        certificate=certificate.table(),
        judged=experiment.invariants_judged(),
        warnings=certificate.warnings() if verdict == "certified" else [],
    )
