"""The disks that a recorded power loss could have left, written out as real directories."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from simulator.boundary import installed
from simulator.campaigns.replay.replaying import experiment_of_trace, recording_of
from simulator.campaigns.trust import NO_TRUST, Trust
from simulator.errors import UsageError
from simulator.filesystems import Filesystem
from simulator.filesystems.durability import DurableModel, durable_of, losses_in_words
from simulator.filesystems.durability.looking import State, states_of, write_tree
from simulator.invariants import Judge
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from simulator.trace import Trace

MOST: Final = 1_000
"""So many trees of an instant are written at most."""


class Written(msgspec.Struct, frozen=True):
    """One tree: where it is, what is lost in it, and whether the recording is of this very loss."""

    path: Path
    lost: str
    recorded: bool


class Outages(msgspec.Struct, frozen=True):
    """What was written; ``are_all`` tells whether there are no more trees than those."""

    trees: list[Written]
    are_all: bool


def write_states(trace: Trace, directory: Path, most: int = MOST, *, trust: Trust = NO_TRUST) -> Outages:
    """Run a recording again and write every tree that its power losses could have left into ``directory``.

    The trees of the first power loss are ``outage-1/0001`` and so on, the one in which nothing is lost first;
    ``outage-1/index.txt`` says what is lost in each. Raises UsageError where no power fails in the recording, where
    something is there already, and as a replay does.
    """
    recording = recording_of(trace)
    experiment = experiment_of_trace(recording, trust=trust)
    if not any(kind == "power" for _, kind, *_ in recording.tape):
        raise UsageError("--states: no power fails in this trace; a search with --power-losses 1 records such ones")
    found: list[tuple[list[State], int, bool]] = []

    def note(durable: DurableModel, lost: int) -> None:
        ordering = durable.ordering()
        disk = durable.state(ordering.all & ~ordering.dependent(lost))
        states = list(islice(states_of(durable), most + 1))
        are_all = len(states) <= most
        states = states[:most]
        if disk.digest() not in {state.disk.digest() for state in states}:
            states[-1:] = [State(disk, losses_in_words(durable, ordering.dependent(lost)))]
        found.append((states, disk.digest(), are_all))

    def judge_by(filesystem: Filesystem) -> Judge:
        durable = durable_of(filesystem)
        if durable is not None:
            durable.before_outage = note
        judge: Judge = experiment.judge(filesystem)
        return judge

    with installed():
        experiment.rehearse(TapeReplay(Tape()))
        experiment.run(TapeReplay(recording.choices()), recording.choices(), judge_by=judge_by)
    if not found:
        raise UsageError("--states: the run does not get to its power loss any more: the code under test has changed")
    trees = [
        written
        for number, (states, digest, _) in enumerate(found, 1)
        for written in _write(states, digest, directory / f"outage-{number}")
    ]
    return Outages(trees, all(are_all for _, _, are_all in found))


def _write(states: list[State], recorded: int, directory: Path) -> list[Written]:
    try:
        directory.mkdir(parents=True)
        written = []
        for number, state in enumerate(states, 1):
            path = directory / f"{number:04}"
            write_tree(state.disk, path)
            written.append(Written(path, state.lost, state.disk.digest() == recorded))
        lines = [f"{each.path.name}  lost: {each.lost}{'  (as recorded)' * each.recorded}\n" for each in written]
        (directory / "index.txt").write_text("".join(lines))
    except OSError as error:
        raise UsageError(f"--states: {error.filename}: {error.strerror}") from error
    return written
