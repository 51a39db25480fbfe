"""Faults of unmodified programs: errors by rule, slow ranks, and nodes that answer from a stale cache."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.replaying import replay
from simulator.campaigns.command.search import search
from simulator.cli.application import run as ckptrace
from simulator.cli.error_rules import error_rule
from simulator.engines.interface import Step
from simulator.engines.stale import StaleViews
from simulator.errors import UsageError
from simulator.faults import ErrorRule, Faults
from simulator.filesystems import FIRST_DESCRIPTOR
from simulator.interposition.filter import why_not
from simulator.interposition.target import ckptrace_arming
from simulator.operations import Mkdir, Open, Rename, Stat, Unlink, Write
from simulator.run import Run
from simulator.schedulers.random_walk import RandomWalk
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from tests.interposition.kernel import holds
from tests.interposition.programs import FIXED, experiment, program

FD = FIRST_DESCRIPTOR


def run_with(under_test: CommandExperiment, tape: Tape) -> Run:
    with under_test:
        return under_test.run(TapeReplay(tape), tape)


def step(rank: int, operation: object, value: object = None, error: int = 0) -> Step:
    return Step(rank, rank, 0, operation, value, OSError(error, "") if error else None)  # type: ignore[arg-type]


def test_a_rule_is_read_from_the_command_line() -> None:
    assert error_rule("open|write ENOSPC path='opt.*\\.pt' rank=1,3 count=2 probability=0.25") == ErrorRule(
        "open|write", "ENOSPC", path="opt.*\\.pt", count=2, regex=True, ranks=(1, 3), probability=0.25
    )
    assert error_rule("fsync hang").effect == "hang"


@pytest.mark.parametrize("text", ["open", "open EIO where=a", "open EIO count=many", "open 'EIO", "path=a EIO"])
def test_what_is_no_rule_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="--error"):
        error_rule(text)


@holds
def test_an_error_strikes_the_rank_and_the_path_of_its_rule(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = [sys.executable, program(tmp_path, FIXED), str(tmp_path / "out")]
    rule = "open EDQUOT path=rng_state rank=1"
    options = ["run", "--watch", str(tmp_path / "out"), "--out", str(tmp_path / "traces"), "--error", rule]
    assert ckptrace([*options, "--", *words]) == 1
    said = " ".join(capfd.readouterr().out.split())
    assert "rank 1 failed: OSError: [Errno 122] Disk quota exceeded" in said


@holds
def test_a_rank_that_hangs_in_a_call_does_not_hang_the_search(tmp_path: Path) -> None:
    rules = (ErrorRule("mkdir", effect="hang", ranks=(1,)),)
    run = run_with(experiment(tmp_path, FIXED, faults=Faults(errors=rules)), Tape({(0, "error0", 1, 0): 1}))
    assert [text for _, text in run.attempts[0].faults] == ["rank 1: mkdir never returns"]
    assert run.violation is None
    assert run.incomplete is None


@holds
def test_a_job_hangs_though_a_thread_of_a_library_goes_on_polling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As gloo's does, every 10 ms."""
    monkeypatch.setattr("simulator.engines.command.settling._GRACE", 0.2)
    body = """
    import select, threading
    def poll():
        with select.epoll() as nothing:
            while True:
                nothing.poll(0.01)
    threading.Thread(target=poll, daemon=True).start()
    os.mkdir(os.path.join(root, str(rank)))
    if rank == 1:
        threading.Event().wait()
    """
    run = run_with(experiment(tmp_path, body), Tape())
    assert run.violation_name == "no-hang"


@holds
def test_a_slow_rank_makes_one_call_while_the_other_makes_several(tmp_path: Path) -> None:
    body = """
    for n in range(12):
        os.mkdir(os.path.join(root, f"{rank}-{n}"))
    """
    faults = Faults(slow_ranks=1, slow_factor=4.0)
    tape = Tape({(0, "slow", 0, 0): 1})
    with experiment(tmp_path, body, faults=faults) as under_test:
        run = under_test.run(RandomWalk(Random(0)), tape)
    ranks = "".join(str(each.rank) for each in run.attempts[0].steps)
    together = ranks[: ranks.rindex("1")]
    assert "0" in together
    assert all(len(between) >= 3 for between in together.split("0")[:-1]), ranks
    again = run_with(experiment(tmp_path, body, faults=faults), run.tape)
    assert [each.rank for each in again.attempts[0].steps] == [each.rank for each in run.attempts[0].steps]


@holds
def test_a_name_that_another_node_made_may_be_missing_for_a_while(tmp_path: Path) -> None:
    body = """
    made = os.path.join(root, "made")
    if rank == 0:
        os.mkdir(made)
    elif not os.path.isdir(root) or "made" in os.listdir(root) or os.path.exists(made):
        pass
    meet()
    if rank == 1:
        os.listdir(made)
    """
    with experiment(tmp_path, body) as under_test:
        assert search(under_test, schedules=4).verdict == "clean"
    with experiment(tmp_path, body, faults=Faults(stale_answers=1)) as under_test:
        result = search(under_test, schedules=60)
    failure = result.failure
    assert failure is not None
    assert "FileNotFoundError" in failure.error
    assert failure.trace.attempts[0].faults[-1][1] == "rank 1: open fails with ENOENT from a stale cache"
    assert replay(failure.trace, strict=True).digest == failure.trace.digest


def test_what_a_node_has_made_or_found_itself_is_never_missing_there() -> None:
    views = StaleViews(ranks_per_node=2)
    steps = [step(2, Stat("a"), error=2), step(0, Mkdir("a"))]
    assert views.answer(steps, 3, Stat("a/b")) == 2, "the other rank of the node has missed it"
    assert views.answer(steps, 1, Stat("a")) is None
    steps.append(step(3, Stat("a")))
    assert views.answer(steps, 2, Stat("a")) is None
    steps += [step(2, Stat("c"), error=2), step(2, Mkdir("c"))]
    assert views.answer(steps, 2, Stat("c")) is None


def test_a_file_that_another_node_removed_or_replaced_is_gone_for_whoever_has_it_open() -> None:
    for removal in (Unlink("a/f"), Rename("a/g", "a/f")):
        views = StaleViews(ranks_per_node=1)
        steps = [step(0, Open("a/f", 0), FD), step(1, Open("a/f", 0), FD)]
        assert views.answer(steps, 1, Write(FD, b"x")) is None
        steps.append(step(0, removal))
        assert views.answer(steps, 1, Write(FD, b"x")) == 116
        assert views.answer(steps, 0, Write(FD, b"x")) is None, "it knows what it has removed itself"
        steps.append(step(1, Open("a/f", 0), FD))
        assert views.answer(steps, 1, Write(FD, b"x")) is None, "the number stands for another file"


def test_what_follows_a_renamed_directory_is_known_by_its_new_name() -> None:
    views = StaleViews(ranks_per_node=1)
    steps = [step(0, Mkdir("tmp")), step(0, Open("tmp/f", 65), FD), step(1, Stat("new"), error=2)]
    steps.append(step(0, Rename("tmp", "new")))
    assert views.answer(steps, 1, Stat("new/f")) == 2
    steps.append(step(1, Unlink("new/f")))
    assert views.answer(steps, 0, Write(FD, b"x")) == 116


@pytest.mark.parametrize(
    "faults",
    [Faults(power_losses=1), Faults(clock_skew=1.0), Faults(errors=(ErrorRule("fsync", effect="lie"),))],
    ids=["power", "clock", "lie"],
)
def test_what_cannot_be_done_to_a_real_program_is_refused(tmp_path: Path, faults: Faults) -> None:
    with pytest.raises(UsageError, match="real program"):
        experiment(tmp_path, FIXED, faults=faults)


@pytest.mark.parametrize("refusal", ["a filter is refused", "another system"])
def test_where_calls_cannot_be_held_that_is_said_in_one_line_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], refusal: str
) -> None:
    def refuse(number: int, code: bytes) -> int:
        raise ckptrace_arming.CannotArm("system calls cannot be held here: seccomp: Operation not permitted")

    if refusal == "another system":
        monkeypatch.setattr("platform.system", lambda: "Darwin")
    else:
        monkeypatch.setattr(ckptrace_arming, "install", refuse)
    why_not.cache_clear()
    try:
        words = [sys.executable, "-u", program(tmp_path, FIXED), str(tmp_path / "out")]
        assert ckptrace(["run", "--watch", str(tmp_path / "out"), "--", *words]) == 2
    finally:
        why_not.cache_clear()
    said = capfd.readouterr().err
    assert len(said.splitlines()) == 1
    assert "cannot be held" in said
    assert "ckptrace explore --program" in said
    assert not (tmp_path / "out").exists()
