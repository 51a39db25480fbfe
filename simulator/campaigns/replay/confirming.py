"""Confirms a failure that was found on the model with real processes on a real disk."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from simulator.boundary import installed
from simulator.campaigns.replay.disk import disk_runs
from simulator.campaigns.replay.divergence import Comparer
from simulator.campaigns.replay.replaying import experiment_of_trace, instants_of, recording_of, replay_on_model
from simulator.campaigns.result import Failure
from simulator.campaigns.trust import Trust
from simulator.errors import CkptraceError, Divergence
from simulator.experiment import Experiment
from simulator.interruption import asked, leaving
from simulator.invariants import Judge
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from simulator.trace import Trace

_DISK_PROFILES = frozenset({"local", "shared", "pyfakefs"})
"""Profiles that promise nothing but what the disk of one machine does as well."""

_DISK_CHOICES = ("schedule", "kill", "hang", "end", "error", "slow", "skew")
"""Kinds of choices that a disk can follow."""


class Confirmation(msgspec.Struct, frozen=True):
    """What the disk says of a failure.

    ``outcome`` is ``"confirmed"``, ``"model only"`` where the failure rests on what a local disk cannot do, or
    ``"disagree"``, which is a bug of this project. ``text`` says it in a line. ``filesystem`` is the type of the file
    system, None if no disk was asked; ``seconds`` is what it took.
    """

    outcome: str
    text: str
    filesystem: str | None = None
    seconds: float = 0.0


def confirm(
    failure: Trace | Failure | Path | str,
    experiment: Experiment | None = None,
    directory: Path | str | None = None,
    *,
    trust: bool = False,
) -> Confirmation:
    """Replay a failure's tape with real processes on a real directory, and compare step by step with the model.

    What holds at every instant is judged as the fault means it: the ranks' processes stop where the job dies, and the
    restart's ``pick`` and ``load`` run on a copy of what is on the disk then. ``directory`` is where (None: a temporary
    place, on a disk if possible); ``trust`` as for ``replay``. Raises Divergence when the recording does not even
    replay on the model, and UsageError as ``replay`` does.
    """
    started = time.perf_counter()
    recording = recording_of(failure)
    if experiment is None:
        experiment = experiment_of_trace(recording, trust=Trust(everything=trust))
    beyond = _beyond_a_disk(experiment, recording.choices())
    if beyond is not None:
        return Confirmation("model only", f"model only: {beyond}")
    with installed():
        experiment.rehearse(TapeReplay(Tape()))
        judges: list[Judge] = []
        run, _ = replay_on_model(experiment, recording, strict=True, judges=judges)
        comparers: list[Comparer] = []

        def judge_by(judge: Any) -> Comparer:
            comparers.append(Comparer(judge, recording, recorded="the model", running="the disk"))
            return comparers[-1]

        with disk_runs(experiment, None if directory is None else Path(directory)) as disk:
            filesystem = disk.filesystem
            try:
                found = disk.run(
                    lambda: TapeReplay(recording.choices()),
                    recording.choices(),
                    judge_by=judge_by,
                    when=instants_of(run, judges[-1]),
                )
                comparers[-1].conclude(found)
                outcome, text = "confirmed", f"confirmed on {filesystem}"
            except Divergence as difference:
                outcome, text = "disagree", f"model and disk ({filesystem}) disagree: {difference}"
                if experiment.scenario.filesystem.behaviour.get("rename_over") == "EEXIST" and filesystem != "xfs":
                    outcome, text = "model only", f"model only: {filesystem} is not XFS, and gives other errors"
    return Confirmation(outcome, text, filesystem, time.perf_counter() - started)


def confirmed_or_why_not(failure: Trace | Failure) -> Confirmation:
    """What the disk says; where it cannot be asked, that is what is said."""
    try:
        return confirm(failure)
    except CkptraceError as error:
        return Confirmation("not asked", f"not confirmed: {error}")


def confirmed_unless_ended(failure: Failure) -> Confirmation:
    """The same, left off when the command is to end (``interruption``): then that is what is said."""
    by = asked()
    if by is None:
        with leaving() as left:
            return confirmed_or_why_not(failure)
        by = left.by
    return Confirmation("not asked", f"not confirmed: {by}")


def _beyond_a_disk(experiment: Experiment, tape: Tape) -> str | None:
    """What of a failure the disk of one machine cannot do, in words."""
    profile = experiment.scenario.filesystem.profile
    if profile not in _DISK_PROFILES:
        return f"the file system profile {profile!r} does what no local disk does"
    if experiment.scenario.filesystem.options:
        return "the options of the file system make it do what a local disk need not do"
    for _, kind, _, _ in tape.choices:
        if kind in ("power", "lost"):
            return "no disk that is in use loses what it has not written yet"
        if not kind.startswith(_DISK_CHOICES):
            return f"the choice {kind!r} cannot be made on a local disk"
    return None
