"""Replays a recorded run: on the model, or with real processes on a real directory."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from simulator import scenario as scenarios, trace as traces
from simulator.boundary import installed
from simulator.campaigns.arguments import named_arguments
from simulator.campaigns.command.fallback import experiment_behind
from simulator.campaigns.explanation.explaining import Explanation
from simulator.campaigns.explanation.failure import trace_of
from simulator.campaigns.given import strategy_of
from simulator.campaigns.interface import Programs
from simulator.campaigns.replay.disk import disk_runs
from simulator.campaigns.replay.divergence import Comparer
from simulator.campaigns.result import Failure, Result
from simulator.campaigns.trust import NO_TRUST, Trust, check
from simulator.engines.interface import Engine
from simulator.errors import Divergence, UsageError
from simulator.experiment import Experiment
from simulator.filesystems import Filesystem
from simulator.invariants import Judge
from simulator.invariants.judge import Check
from simulator.invariants.violation import NAMES
from simulator.portable import at_home, changed
from simulator.run import Run, Scheduler
from simulator.schedulers.replay import StrictReplay, TapeReplay
from simulator.tape import Tape
from simulator.trace import Trace

_NEED_PICK = frozenset({"complete", "content", "progress", "keep", "agree"})


@named_arguments
def replay(
    trace: Trace | Failure | Path | str,
    on: str = "model",
    *,
    strict: bool = False,
    programs: Programs | None = None,
    pick: Callable[[Path], Path | None] | None = None,
    invariants: Sequence[Check] = (),
    directory: Path | str | None = None,
    trust: bool | Trust = False,
) -> Result:
    """Run a recording again. The result's failure is the recorded one, with the same schedule and digest.

    ``on`` is ``"model"`` or ``"real"``; then ``directory`` is where on the disk (None: a temporary place). What is
    replayed are the tape's choices, so code that has changed since gets the same disturbance; ``reason`` says where it
    first did something else, and how the software differs. With ``strict`` the ranks go on in exactly the recorded
    order, and the first step that differs raises Divergence.

    A recording of this process remembers its programs; one from a file names them, unless they are functions that
    nobody can name: then they, ``pick`` and ``invariants`` must be given. What a file names is run if it was recorded
    here, if it is code of the current project, or with ``trust`` (``campaigns.trust`` has the rule). Raises UsageError
    where it is none of these, and when something is missing.
    """
    if on not in ("model", "real"):
        raise UsageError(f"on: must be 'model' or 'real', is {on!r}")
    recording = recording_of(trace)
    trusted = trust if isinstance(trust, Trust) else Trust(everything=trust)
    experiment = experiment_of_trace(recording, programs=programs, pick=pick, invariants=invariants, trust=trusted)
    started = time.perf_counter()
    with installed():
        experiment.rehearse(TapeReplay(Tape()))
        if on == "model":
            run, comparer = replay_on_model(experiment, recording, strict=strict)
        else:
            run, comparer = _on_disk(experiment, recording, strict, Path(directory) if directory is not None else None)
    failure = _failure(experiment, run, recording)
    differing = None if comparer.difference is None else _with_versions(comparer.difference, recording)
    return Result(
        verdict="violated" if run.violation is not None else "incomplete" if run.incomplete is not None else "clean",
        schedules=1,
        seconds=time.perf_counter() - started,
        seed=0,
        scenario=experiment.described(),
        operations=run.operations,
        failure=failure,
        digest=failure.trace.digest if failure is not None else trace_of(experiment, run).digest,
        coverage=f"replayed on {'the model' if on == 'model' else 'a real disk'}: 1 schedule",
        reason=run.incomplete or differing,
        followed=None if differing is None else comparer.followed,
    )


def recording_of(trace: Trace | Failure | Path | str) -> Trace:
    """The trace itself, of a failure, or from a file. Raises UsageError for what is or holds none."""
    if isinstance(trace, Trace):
        return trace
    if isinstance(trace, Failure):
        return trace.trace
    if isinstance(trace, str | os.PathLike):
        return traces.load(Path(trace))
    if trace is None:
        raise UsageError("trace: there is none; the failure of a result that is clean is None")
    hint = ", give its failure" if isinstance(trace, Result) else ""
    raise UsageError(f"trace: must be a failure, a trace or the path of one, is {trace!r}{hint}")


def experiment_of_trace(
    trace: Trace,
    *,
    programs: Programs | None = None,
    pick: Callable[[Path], Path | None] | None = None,
    invariants: Sequence[Check] = (),
    trust: Trust = NO_TRUST,
) -> Experiment:
    """The experiment that a trace was recorded in. Raises UsageError, saying what is missing, if it cannot be had.

    Nothing that a file names is imported before ``campaigns.trust`` has said that it may be.
    """
    remembered = trace.remembered()
    if remembered is not None and programs is None and pick is None and not invariants:
        assert isinstance(remembered, Experiment)
        return remembered
    if isinstance(programs, str):
        raise UsageError(f"programs: the trace names its strategy itself; give a class, or functions, not {programs!r}")
    scenario = scenarios.from_table(trace.scenario, "the trace's scenario")
    directory = trace.directory()
    if programs is None and scenario.program is not None and "::" in scenario.program:
        raise UsageError(
            "the trace is one of a pytest test, which pytest runs again: "
            f"pytest {shlex.quote(scenario.program)} --ckptrace-replay TRACE"
        )
    if directory is not None:
        named = scenario if pick is None else msgspec.structs.replace(scenario, pick=None)
        if programs is not None:
            named = msgspec.structs.replace(named, strategy=None, program=None)
        found = at_home(named, directory)
        check(trace, found, trust)
        scenario = msgspec.structs.replace(
            found, strategy=found.strategy or scenario.strategy, program=found.program or scenario.program
        )
    if scenario.command is not None and scenario.command.boundary and programs is None:
        return experiment_behind(scenario)
    strategy = None if programs is None else strategy_of(programs)
    if programs is not None and strategy is None and scenario.strategy is not None:
        raise UsageError(f"programs: the trace is one of the strategy {scenario.strategy.name!r}")
    if strategy is not None and scenario.strategy is None:
        raise UsageError("programs: the trace is one of a plain program, not of a strategy")
    if scenario.strategy is None and scenario.program is None and programs is None:
        raise UsageError("the trace is of a program that has no name by which to find it: give it as programs=")
    each: Any = [programs] * scenario.cluster.world_size if callable(programs) else programs
    experiment = Experiment(scenario, programs=each, strategy=strategy and strategy[1], pick=pick, checks=invariants)
    violated = trace.verdict.invariant if trace.verdict is not None else None
    if violated in _NEED_PICK and experiment.probe is None and violated not in _names(invariants):
        raise UsageError(f"the trace violates {violated!r}, which needs the program's pick function: give it as pick=")
    if violated is not None and violated not in NAMES and violated not in _names(invariants):
        raise UsageError(f"the trace violates {violated!r}, an invariant of its own: give it as invariants=[...]")
    return experiment


def replay_on_model(
    experiment: Experiment, recording: Trace, *, strict: bool, judges: list[Judge] | None = None
) -> tuple[Run, Comparer]:
    """Replay in this process; the boundary must be installed. The judge is appended to ``judges``."""
    comparers: list[Comparer] = []

    def judge_by(filesystem: Filesystem) -> Comparer:
        judge = experiment.judge(filesystem)
        if judges is not None:
            judges.append(judge)
        comparers.append(Comparer(judge, recording, strict=strict))
        return comparers[-1]

    scheduler = scheduler_of(recording, strict=strict)
    try:
        run = experiment.run(scheduler, recording.choices(), detail=True, judge_by=judge_by)
        comparers[-1].conclude(run)
    except Divergence:
        raise Divergence(_with_versions(comparers[-1].unreachable(), recording)) from None
    return run, comparers[-1]


def scheduler_of(recording: Trace, *, strict: bool) -> Scheduler:
    """The scheduler that replays a trace."""
    return StrictReplay(recording) if strict else TapeReplay(recording.choices())


def instants_of(run: Run, judge: Judge) -> Callable[[Engine], bool]:
    """Which instants must be judged to find the violation of ``run`` again, where looking is dear.

    They are those at which there was something new to lose, and the last one.
    """
    instants = {*judge.milestones, (len(run.attempts) - 1, len(run.attempts[-1].steps))}
    return lambda engine: (engine.attempt, len(engine.steps)) in instants


def _on_disk(experiment: Experiment, recording: Trace, strict: bool, directory: Path | None) -> tuple[Run, Comparer]:
    judges: list[Judge] = []
    run, comparer = replay_on_model(experiment, recording, strict=strict, judges=judges)
    when = instants_of(run, judges[-1]) if comparer.difference is None else None
    comparers: list[Comparer] = []

    def judge_by(judge: Any) -> Comparer:
        comparers.append(Comparer(judge, recording, strict=strict))
        return comparers[-1]

    with disk_runs(experiment, directory) as disk:
        try:
            run = disk.run(
                lambda: scheduler_of(recording, strict=strict),
                recording.choices(),
                judge_by=judge_by,
                when=when,
                detail=True,
            )
            comparers[-1].conclude(run)
        except Divergence:
            raise Divergence(_with_versions(comparers[-1].unreachable(), recording)) from None
    return run, comparers[-1]


def _failure(experiment: Experiment, run: Run, recording: Trace) -> Failure | None:
    violation = run.violation
    if violation is None:
        return None
    trace = trace_of(experiment, run)
    if trace.digest == recording.digest:
        trace = msgspec.structs.replace(trace, explanation=recording.explanation)
        trace.remember(experiment)
    return Failure(
        violation.invariant,
        violation.rank,
        violation.message,
        violation.signature,
        trace,
        explanation=_explanation(trace),
        schedule=1,
    )


def _explanation(trace: Trace) -> Explanation | None:
    """What the trace's explanation says, in the form in which a search gives it."""
    table = trace.explanation
    if table is None:
        return None
    pair = [table.get(key) for key in ("first", "second")]
    attempt = next((each["attempt"] for each in pair if each is not None), len(trace.attempts) - 1)
    first, second = (None if each is None else each["position"] for each in pair)
    other = table.get("other_order")
    tape = None if other is None else Tape.of_entries([tuple(entry) for entry in other])
    return Explanation(attempt, first, second, table.get("flipped", ""), table.get("text", ""), tape)


def _names(checks: Sequence[Check]) -> set[str]:
    return {getattr(check, "__name__", "invariant") for check in checks}


def differences(recording: Trace) -> list[str]:
    """How software and sources here differ from those of a recording, a line each."""
    scenario = scenarios.from_table(recording.scenario, "the trace's scenario")
    return [
        *changed(scenario, recording.sources, recording.directory()),
        *traces.differences(recording.versions),
    ]


def _with_versions(text: str, recording: Trace) -> str:
    return "; ".join([text, *differences(recording)])
