"""Where system calls cannot be held, Python is run behind the Python boundary instead, and anything else refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from simulator.cli.application import run as ckptrace
from simulator.interposition.filter import why_not
from simulator.interposition.target import ckptrace_arming

_HEAD = """
    import os, sys
    rank, root = int(os.environ["RANK"]), sys.argv[-1].partition("=")[2]
"""

RACY = """
    staging = os.path.join(root, "tmp-checkpoint-1")
    os.makedirs(staging, exist_ok=True)
    with open(os.path.join(staging, f"rng_state_{rank}.pth"), "wb") as file:
        file.write(b"...")
    if os.path.exists(staging):
        os.rename(staging, os.path.join(root, "checkpoint-1"))
"""

CLEAN = """
    import pickle
    from dataclasses import dataclass

    @dataclass
    class Settings:
        rank: int

    if __name__ == "__main__":
        settings, path = Settings(rank), os.path.join(root, str(rank))
        with open(path, "wb") as file:
            pickle.dump(settings, file)
        with open(path, "rb") as file:
            assert pickle.load(file) == settings, "of this rank's __main__"
        assert vars(sys.modules["__main__"])["rank"] == rank == settings.rank
        with open("beside.txt") as file:
            assert file.read() == "from the real disk"
        sys.exit(0)
"""

TRAINING = """
    import torch
    import torch.distributed as dist

    def save(model, step):
        staging = os.path.join(root, f"tmp-checkpoint-{step}")
        os.makedirs(staging, exist_ok=True)
        if dist.get_rank() == 0:
            torch.save(model.state_dict(), os.path.join(staging, "model.pt"))
        torch.save(torch.get_rng_state(), os.path.join(staging, f"rng_state_{dist.get_rank()}.pth"))
        if ORDERED:
            dist.barrier()
        if (dist.get_rank() == 0 or not ORDERED) and os.path.exists(staging):
            os.rename(staging, os.path.join(root, f"checkpoint-{step}"))
        dist.barrier()

    if __name__ == "__main__":
        assert not dist.is_initialized()
        dist.init_process_group(backend="gloo")
        assert (dist.get_rank(), dist.get_world_size()) == (rank, 2)
        os.makedirs(root, exist_ok=True)
        model = torch.nn.Linear(64, 64)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for parameter in model.parameters():
            dist.broadcast(parameter.data, 0)
        for step in (1, 2):
            loss = model(torch.randn(8, 64)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            for parameter in model.parameters():
                dist.all_reduce(parameter.grad, dist.ReduceOp.AVG)
            optimizer.step()
            with torch.no_grad():
                save(model, step)
        same = [None, None]
        dist.all_gather_object(same, [each.tolist() for each in model.parameters()])
        assert same[0] == same[1]
        dist.destroy_process_group()
"""


@pytest.fixture(autouse=True)
def refusal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No filter can be installed, and the current directory is one of the test's own."""

    def refuse(number: int, code: bytes) -> int:
        raise ckptrace_arming.CannotArm("system calls cannot be held here: seccomp: Operation not permitted")

    monkeypatch.setattr(ckptrace_arming, "install", refuse)
    monkeypatch.chdir(tmp_path)
    why_not.cache_clear()
    yield
    why_not.cache_clear()


def run(body: str, *options: str, python: str = sys.executable, words: tuple[str, ...] = ()) -> int:
    """The command line's exit code for a program with this body, its directory watched and named behind ``=``."""
    Path("program.py").write_text(dedent(_HEAD) + dedent(body), encoding="utf-8")
    command = (python, *words, "program.py", "--output=out/run")
    return ckptrace(["run", "--watch", "out", *options, "--", *command])


def test_a_race_is_found_behind_the_python_boundary_and_confirmed_and_replayed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    modules, path, words = dict(sys.modules), list(sys.path), sys.argv
    assert run(RACY) == 1
    said = capfd.readouterr()
    assert len(said.err.splitlines()) == 1
    assert "cannot be held" in said.err
    assert "Python boundary" in said.err
    assert "run/tmp-checkpoint-1" in said.out
    assert "confirmed on" in said.out
    assert not Path("out").exists()
    (trace,) = Path("ckptrace-out").iterdir()
    assert ckptrace(["replay", str(trace)]) == 1
    assert sys.modules["__main__"] is modules["__main__"]
    assert (sys.path, sys.argv) == (path, words)


def test_a_clean_program_is_clean_with_a_main_module_of_its_own_in_each_rank(
    capfd: pytest.CaptureFixture[str],
) -> None:
    Path("beside.txt").write_text("from the real disk", encoding="utf-8")
    assert run("    os.makedirs(root, exist_ok=True)" + CLEAN, "--schedules", "8") == 0
    said = capfd.readouterr()
    assert "clean" in said.out
    assert len(said.err.splitlines()) == 1


@pytest.mark.parametrize("words", [("-u",), ("-c", "import program")])
def test_what_is_no_python_file_run_plainly_is_refused(
    words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(CLEAN, words=words) == 2
    said = capfd.readouterr()
    assert "no program can be run here as it is" in said.err
    assert not said.out


def test_another_python_with_other_packages_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    Path("python3").symlink_to(sys.executable)
    assert run(CLEAN, python=str(Path("python3").absolute())) == 2
    assert "no program can be run here as it is" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--dry", "--cold"), "--dry, --cold"),
        (("--stale", "1"), "--stale"),
        (("--record", "trace.json"), "--record"),
        (("--invariants", "no-error,keep"), "keep"),
    ],
)
def test_options_that_need_held_calls_are_refused_by_name(
    options: tuple[str, ...], named: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(CLEAN, *options) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert named in line


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("    import helper", "import of helper"),
        ("    sys.argv.pop()", "sys.argv"),
        ("    os.mkdir('by-its-own-name')", "os.mkdir('by-its-own-name')"),
    ],
)
def test_what_ranks_of_one_process_cannot_have_to_themselves_is_no_finding(
    body: str, named: str, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("helper.py").write_text("import os\nRANK = os.environ['RANK']\n", encoding="utf-8")
    assert run(body) == 3
    assert named in capfd.readouterr().err


def test_a_training_with_collectives_shows_its_race_on_a_real_disk_and_again_from_its_trace(
    capfd: pytest.CaptureFixture[str],
) -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    assert run("    ORDERED = False" + TRAINING, "--schedules", "60") == 1
    said = capfd.readouterr().out
    assert "run/tmp-checkpoint-" in said
    assert "init process group" in said
    assert "confirmed on" in said
    (trace,) = Path("ckptrace-out").iterdir()
    assert ckptrace(["replay", str(trace)]) == 1
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_a_training_whose_collectives_order_its_save_is_clean(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("    ORDERED = True" + TRAINING, "--schedules", "30") == 0
    assert "clean" in capfd.readouterr().out


def test_each_rank_draws_from_generators_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    body = """
        import numpy, torch
        import torch.distributed as dist
        dist.init_process_group()
        unseeded = torch.rand(1).item(), numpy.random.rand()
        torch.manual_seed(7)
        numpy.random.seed(7)
        os.makedirs(root, exist_ok=True)
        drawn = [torch.rand(1).item(), numpy.random.rand()]
        os.mkdir(os.path.join(root, str(rank)))
        drawn += [torch.rand(1).item(), numpy.random.rand()]
        everybody = [None] * 2
        dist.all_gather_object(everybody, (unseeded, drawn))
        assert everybody[0][1] == everybody[1][1], everybody
        assert everybody[0][0] != everybody[1][0], everybody
    """
    assert run(body, "--schedules", "20") == 0, capfd.readouterr()


def test_what_cpp_does_among_ranks_is_refused_with_what_to_do(capfd: pytest.CaptureFixture[str]) -> None:
    body = """
        import torch
        torch.distributed.init_process_group()
        torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))
    """
    assert run(body) == 3
    said = capfd.readouterr().err
    assert "DistributedDataParallel()" in said
    assert "dist.all_reduce()" in said
