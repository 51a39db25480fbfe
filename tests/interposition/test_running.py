"""An unmodified program is run under many schedules of its system calls, and its races are found and replayed."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.replaying import replay
from simulator.campaigns.command.search import search
from simulator.campaigns.command.unfinished import unfinished_in_words
from simulator.campaigns.result import Result
from simulator.engines.canonical import event_of
from simulator.engines.command.rank import RankProcess, output_file
from simulator.errors import CannotDo, UsageError
from simulator.faults import ErrorRule, Faults
from simulator.filesystems import FIRST_DESCRIPTOR
from simulator.operations import paths_of
from simulator.run import Run
from simulator.schedulers.random_walk import RandomWalk
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from simulator.trace import digest_of
from tests.interposition.kernel import holds
from tests.interposition.programs import FIXED, RACY, experiment

pytestmark = holds


def found(under_test: CommandExperiment, schedules: int = 40) -> Result:
    with under_test:
        return search(under_test, schedules=schedules, seed=0)


def undisturbed(under_test: CommandExperiment) -> Run:
    return under_test.run(TapeReplay(Tape()))


def held(run: Run) -> list[str]:
    """Kind and paths of what was held, in order."""
    steps = run.attempts[0].steps
    return [" ".join([type(step.operation).__name__, *paths_of(step.operation)]) for step in steps]


def digest(run: Run) -> str:
    return digest_of([[event_of(step) for step in attempt.steps] for attempt in run.attempts])


@contextmanager
def nobody_left() -> Iterator[None]:
    """Whatever was started meanwhile has ended: told by its environment, so that other tests may run beside it."""
    mark = uuid4().hex
    os.environ["MARK_OF_A_TEST"] = mark
    try:
        yield
    finally:
        del os.environ["MARK_OF_A_TEST"]
    assert not list(_marked(mark.encode()))


def _marked(mark: bytes) -> Iterator[str]:
    for name in os.listdir("/proc"):
        try:
            environment = Path("/proc", name, "environ").read_bytes()
        except OSError:
            continue
        if mark in environment:
            yield name


@pytest.mark.parametrize("warm", [True, False], ids=["forked", "started anew"])
def test_the_race_of_a_program_is_found_made_small_and_replayed(tmp_path: Path, warm: bool) -> None:
    with nobody_left():
        result = found(experiment(tmp_path, RACY, warm=warm))
        assert result.verdict == "violated"
        failure = result.failure
        assert failure is not None
        assert failure.invariant == "no-error"
        assert "FileNotFoundError" in failure.error
        assert "'tmp-checkpoint-1' -> 'checkpoint-1'" in failure.error
        assert len(failure.trace.choices()) == 1, "one switch is enough"
        explanation = failure.explanation
        events = failure.trace.attempts[0].events
        first, second = events[explanation.first], events[explanation.second]
        assert (first.kind, second.kind) == ("stat", "rename"), "one has looked, and then the other makes it go"
        assert first.rank != second.rank
        assert explanation.flipped == "The same run with B before A passes."
        again = replay(failure.trace, strict=True)
        assert again.failure is not None
        assert again.failure.error == failure.error
        assert again.digest == failure.trace.digest


def test_a_program_without_the_race_is_clean(tmp_path: Path) -> None:
    assert found(experiment(tmp_path, FIXED), 12).verdict == "clean"


@pytest.mark.parametrize("arm", ["late", "start"])
def test_one_tape_gives_one_trace_and_none_of_its_decisions_rests_on_time(tmp_path: Path, arm: str) -> None:
    with experiment(tmp_path, RACY, nodes=3, arm=arm, invariants=("no-hang",)) as under_test:
        for seed in range(3):
            first = under_test.run(RandomWalk(Random(seed)))
            for _ in range(3):
                again = under_test.run(TapeReplay(first.tape), first.tape)
                assert digest(again) == digest(first)
                assert not any(engine.guesses for engine in under_test.engines)


def test_what_rusts_and_cs_writers_do_is_held_call_by_call(tmp_path: Path) -> None:
    body = """
    import torch
    from safetensors.torch import save_file
    tensors = {"weight": torch.zeros(4)}
    save_file(tensors, os.path.join(root, f"rank-{rank}.safetensors"))
    torch.save(tensors, os.path.join(root, f"rank-{rank}.pt"))
    """
    with pytest.raises(CannotDo, match=r"was written to before any call was held.*--arm start"):
        found(experiment(tmp_path, body))
    with experiment(tmp_path, body, arm="start") as under_test:
        run = undisturbed(under_test)
        again = undisturbed(under_test)
    said = held(run)
    assert "Rename .tmp*0.0 rank-0.safetensors" in said, said
    assert "Rename .tmp*1.0 rank-1.safetensors" in said
    assert any(text.startswith("Open rank-0.pt") for text in said)
    assert sum(text == "Write" for text in said) >= 4
    assert digest(run) == digest(again), "the names that Rust draws are known by who drew them"


def test_threads_and_children_of_a_rank_are_held_too(tmp_path: Path) -> None:
    body = """
    import subprocess, threading
    thread = threading.Thread(target=lambda: os.mkdir(os.path.join(root, f"thread-{rank}")))
    thread.start()
    thread.join()
    subprocess.run(["mkdir", os.path.join(root, f"child-{rank}")], check=True)
    """
    with experiment(tmp_path, body) as under_test:
        run = undisturbed(under_test)
    said = {text for text in held(run) if text.startswith("Mkdir")}
    assert said == {"Mkdir thread-0", "Mkdir thread-1", "Mkdir child-0", "Mkdir child-1"}
    assert len({step.task for step in run.attempts[0].steps}) == 4


def test_a_failure_that_was_asked_for_strikes_the_call(tmp_path: Path) -> None:
    faults = Faults(errors=(ErrorRule("mkdir", "ENOSPC"),))
    result = found(experiment(tmp_path, FIXED, faults=faults))
    assert result.failure is not None
    assert "No space left on device" in result.failure.error


def test_a_killed_rank_is_gone_and_the_job_starts_again_on_what_is_left(tmp_path: Path) -> None:
    body = """
    left = sorted(os.listdir(root))
    print("found", left)
    os.mkdir(os.path.join(root, f"{os.environ['TORCHELASTIC_RESTART_COUNT']}-{rank}"))
    """
    with experiment(tmp_path, body, faults=Faults(kills=1), restarts=1) as under_test:
        tape = Tape({(0, "kill", 1, 1): 1})
        run = under_test.run(TapeReplay(tape), tape)
    assert [attempt.died for attempt in run.attempts] == [True, False]
    assert run.attempts[0].endings[1].killed
    assert "found ['0-0']" in run.attempts[1].output[0]


def test_the_last_whole_checkpoint_must_not_be_deleted(tmp_path: Path) -> None:
    body = """
    import json, shutil
    def save(step):
        place = os.path.join(root, f"checkpoint-{step}")
        os.makedirs(place, exist_ok=True)
        open(os.path.join(place, f"rng_state_{rank}.pth"), "wb").write(b"PK")
        if rank == 0:
            open(os.path.join(place, "pytorch_model.bin"), "wb").write(b"weights")
            json.dump({}, open(os.path.join(place, "trainer_state.json"), "w"))
    save(1)
    meet()
    if rank == 0:
        shutil.rmtree(os.path.join(root, "checkpoint-1"))
        save(2)
    """
    result = found(experiment(tmp_path, body))
    assert result.failure is not None
    assert result.failure.invariant == "keep"
    assert "checkpoint-1 was whole" in result.failure.error


def test_a_lost_checkpoint_does_not_hide_that_the_job_cannot_be_resumed(tmp_path: Path) -> None:
    body = """
    import json, shutil
    place = os.path.join(root, "checkpoint-1")
    if os.path.exists(place):
        json.load(open(os.path.join(place, "trainer_state.json")))
    os.makedirs(place, exist_ok=True)
    open(os.path.join(place, f"rng_state_{rank}.pth"), "wb").write(b"PK")
    if rank == 0:
        open(os.path.join(place, "pytorch_model.bin"), "wb").write(b"weights")
        json.dump({}, open(os.path.join(place, "trainer_state.json"), "w"))
    meet()
    if rank == 0:
        os.unlink(os.path.join(place, "rng_state_1.pth"))
        os.unlink(os.path.join(place, "trainer_state.json"))
    """
    with experiment(tmp_path, body, restarts=1) as under_test:
        result = search(under_test, schedules=1, go_on=True)
    found = [(failure.invariant, failure.degraded) for failure in result.failures]
    assert found == [("no-error", False), ("keep", False), ("keep", True)]
    assert result.failure is result.failures[0]
    assert "trainer_state.json" in result.failure.error
    assert len(result.failure.trace.attempts) == 2
    again = replay(result.failure.trace, strict=True)
    assert again.failure is not None
    assert again.failure.error == result.failure.error


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        ("os.kill(os.getpid(), 9)", "SIGKILL"),
        ("os._exit(7)", "exit code 7"),
        ("sys.exit('no more')", "no more"),
        ("os.closerange(0, 4096); os.mkdir(os.path.join(root, 'd')); os.abort()", "SIGABRT"),
    ],
)
def test_a_rank_that_ends_badly_is_a_failure_that_says_how(tmp_path: Path, end: str, words: str) -> None:
    with nobody_left(), experiment(tmp_path, f"    os.listdir(root)\n    {end}\n") as under_test:
        run = undisturbed(under_test)
    assert run.violation is not None
    assert run.violation.invariant == "no-error"
    assert words in run.violation.message


def test_a_job_that_waits_for_what_never_comes_hangs(tmp_path: Path) -> None:
    body = """
    os.listdir(root)
    if rank == 0:
        meet()
    """
    with nobody_left(), experiment(tmp_path, body) as under_test:
        run = undisturbed(under_test)
    assert run.violation is not None
    assert run.violation.invariant == "no-hang"
    assert "rank 0" in run.violation.message


def test_a_rank_that_goes_on_forever_ends_the_run_and_is_named(tmp_path: Path) -> None:
    body = """
    os.listdir(root)
    while rank:
        pass
    """
    with nobody_left(), experiment(tmp_path, body, silence=0.5) as under_test:
        run = undisturbed(under_test)
    assert run.violation is None
    assert run.incomplete is not None
    words = "rank 1 made no call in the watched directory for 0.5 s (--silence waits for longer): "
    assert run.incomplete.startswith(words)


@pytest.mark.parametrize(
    "works",
    [
        "while time.process_time() < 0.6: os.path.exists('/nowhere')",
        "subprocess.run([sys.executable, '-c', 'import time; time.sleep(0.6)'])",
        "select.select([], [], [], 0.6)",
    ],
    ids=["calls about other things", "a child", "waiting"],
)
def test_a_rank_that_makes_progress_or_waits_for_its_turn_is_not_silent(tmp_path: Path, works: str) -> None:
    body = f"""
    import select, subprocess
    os.listdir(root)
    {works}
    os.mkdir(os.path.join(root, str(rank)))
    """
    with experiment(tmp_path, body, silence=0.5) as under_test:
        run = undisturbed(under_test)
    assert run.violation is None
    assert run.incomplete is None


def test_what_a_rank_computes_before_its_first_call_is_no_silence(tmp_path: Path) -> None:
    body = """
    while time.process_time() < 0.6: pass
    os.mkdir(os.path.join(root, str(rank)))
    """
    with experiment(tmp_path, body, silence=0.1) as under_test:
        assert undisturbed(under_test).incomplete is None


def test_an_attempt_that_takes_too_long_names_the_limit(tmp_path: Path) -> None:
    body = """
    os.listdir(root)
    while True: os.path.exists('/nowhere')
    """
    with nobody_left(), experiment(tmp_path, body, wall=0.5) as under_test:
        run = undisturbed(under_test)
    assert run.violation is None
    assert run.incomplete is not None
    assert run.incomplete.startswith("wall time: 0.5 s passed and the ranks had not ended (--wall waits for longer)")


def test_many_ranks_that_did_nothing_are_told_together() -> None:
    assert unfinished_in_words([], {1}, 64) == "63 ranks made no call that was held"
    assert unfinished_in_words([], {0}, 64) == "ranks 1 to 63 made no call that was held"


def test_a_program_that_never_comes_to_the_directory_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(CannotDo, match="no rank made a call about"):
        found(experiment(tmp_path, "    pass\n"))


def test_a_directory_behind_a_link_is_the_same_directory(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    body = """
    os.mkdir(os.path.join(root, f"a{rank}"))
    os.mkdir(os.path.join(os.path.realpath(root), f"b{rank}"))
    """
    with experiment(tmp_path, body) as under_test:
        said = held(undisturbed(under_test))
    assert {text for text in said if text.startswith("Mkdir")} == {"Mkdir a0", "Mkdir b0", "Mkdir a1", "Mkdir b1"}


def test_paths_that_are_long_or_no_text_are_held_as_they_are(tmp_path: Path) -> None:
    body = r"""
    place = os.fsencode(root)
    open(place + b"/\xff\xfe%d" % rank, "wb").close()
    deep = place
    for _ in range(8):
        deep += b"/" + b"d" * 200
        os.makedirs(deep, exist_ok=True)
    try:
        os.mkdir(place + b"/" + b"x" * 4096)
    except OSError as error:
        assert error.errno == 36, error
    """
    with experiment(tmp_path, body) as under_test:
        run = undisturbed(under_test)
    assert run.violation is None, run.violation
    assert any("\udcff\udcfe0" in text for text in held(run))


def test_a_directory_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").touch()
    with pytest.raises(UsageError, match="out: is not empty"):
        experiment(tmp_path, RACY)
    assert (tmp_path / "out" / "precious").exists()


def test_many_ranks_are_held_at_once(tmp_path: Path) -> None:
    with nobody_left(), experiment(tmp_path, "    os.mkdir(os.path.join(root, str(rank)))\n", nodes=32) as under_test:
        run = undisturbed(under_test)
    assert run.operations == 32
    assert run.violation is None


def test_descriptors_are_numbered_in_the_order_in_which_a_rank_uses_them() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        rank = RankProcess(0, os.getpid(), ours, output_file(), output_file())
        first, second = rank.number_of(1, 30), rank.number_of(1, 31)
        assert (first, second) == (FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + 1)
        assert rank.number_of(1, 30) == first
        rank.forget(1, 30)
        assert rank.number_of(1, 30) == FIRST_DESCRIPTOR + 2, "the same number, but open on something else"
        rank.close()
