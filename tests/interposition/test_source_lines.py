"""Which line of an unmodified program makes a held call: read from the frames of the thread that is held."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import msgspec
import pytest

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.record import trace_of
from simulator.campaigns.command.replaying import replay
from simulator.campaigns.command.search import search
from simulator.cli.application import run as ckptrace
from simulator.engines.command import rank
from simulator.interposition.line_table import line_at
from simulator.interposition.python_frames import PythonFrames, frames_of
from simulator.interposition.python_layout import Described
from simulator.interposition.target.ckptrace_shown import HIDDEN, SERVING, SHOWN, worth
from simulator.reports.terminal import console_for, print_trace
from simulator.scenario import Cluster, CommandChoice, Scenario
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from simulator.trace import Event, Trace, save
from tests.interposition.kernel import holds
from tests.interposition.programs import FIXED, RACY, experiment, program

CALLS = """
    import shutil, subprocess, threading
    def path(name):
        return os.path.join(root, f"{name}{rank}")
    with open(path("file"), "wb") as file:  # open write close
        file.write(
            b"1")
        file.flush(); os.fsync(file.fileno())  # fsync
    os.access(  # look
        path("file"), os.R_OK)
    def work():
        os.mkdir(path("directory"))  # thread
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    child = os.fork()
    if child == 0:
        os.mkdir(path("child"))  # child
        os._exit(0)
    os.waitpid(child, 0)
    subprocess.run(["mkdir", path("other")])
    shutil.rmtree(path("directory"))  # tree
    class Ordered:
        def __lt__(self, other):
            os.rmdir(path("child"))  # called by C
            return True
    sorted([Ordered(), Ordered()])
"""


def recorded(tmp_path: Path, body: str, **more: Any) -> Trace:
    with experiment(tmp_path, body, **more) as under_test:
        return trace_of(under_test, under_test.run(TapeReplay(Tape())))


def lines_in(tmp_path: Path) -> dict[str, str]:
    """The line that each remark of the program marks, as ``file:line``."""
    file = tmp_path / "program.py"
    remarks = ((line.partition("  # ")[2], number) for number, line in enumerate(file.read_text().splitlines(), 1))
    return {remark: f"{file}:{number}" for remark, number in remarks if remark}


@holds
@pytest.mark.parametrize(("warm", "arm"), [(True, "late"), (False, "late"), (True, "start"), (False, "start")])
def test_each_call_has_the_line_that_makes_it(tmp_path: Path, warm: bool, arm: str) -> None:
    trace = recorded(tmp_path, CALLS, warm=warm, arm=arm)
    marked = lines_in(tmp_path)
    events = [event for event in trace.attempts[0].events if event.rank == 1]
    sites = [(event.kind, event.site) for event in events]

    def site(kind: str, name: str) -> str | None:
        return next(event.site for event in events if event.kind == kind and event.arguments[0] == name)

    assert site("open", "file1") == marked["open write close"]
    assert ("fsync", marked["fsync"]) in sites
    assert ("write", marked["fsync"]) in sites, "which flushes first"
    assert ("close", marked["open write close"]) in sites, "at the end of the block that it begins"
    assert site("access", "file1") == marked["look"]
    assert site("mkdir", "directory1") == marked["thread"]
    assert site("mkdir", "child1") == marked["child"]
    assert site("mkdir", "other1") is None, "a call of another program has no line of this one"
    assert site("rmdir", "directory1") == marked["tree"], "not the standard library's own line"
    assert site("rmdir", "child1") == marked["called by C"]


@holds
def test_a_failure_names_the_lines_and_where_the_rank_raised(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    body = RACY.replace("os.rename(", "os.rename(  # rename\n        ").replace(
        "os.makedirs(", "os.makedirs(  # made\n    "
    )
    with experiment(tmp_path, body) as under_test:
        result = search(under_test, schedules=50)
    failure = result.failure
    assert failure is not None
    marked = lines_in(tmp_path)
    trace = failure.trace
    assert {event.site for event in trace.attempts[0].events if event.kind == "rename"} == {marked["rename"]}
    assert trace.attempts[0].sites == {failure.rank: marked["rename"]}
    print_trace(console_for(), trace)
    said = capfd.readouterr().out
    assert f"at {Path(marked['rename']).name}" in said
    assert Path(marked["made"]).name in said
    file = tmp_path / "trace.json"
    save(trace, file)
    assert ckptrace(["races", str(file)]) == 0
    assert f"({marked['made']})" in capfd.readouterr().out
    assert ckptrace(["show", str(file), "--perfetto", str(tmp_path / "chart.json")]) == 0
    assert marked["made"] in json.dumps(json.loads((tmp_path / "chart.json").read_text()))


@holds
@pytest.mark.parametrize("warm", [True, False])
def test_a_rank_raised_where_the_exception_came_from_that_ended_it(tmp_path: Path, warm: bool) -> None:
    body = """
    os.mkdir(os.path.join(root, str(rank)))
    try:
        os.mkdir(os.path.join(root, str(rank)))
    except OSError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    int("no number")  # raised
    """
    raised = recorded(tmp_path, body, warm=warm).attempts[0]
    assert set(raised.sites.values()) == {lines_in(tmp_path)["raised"]}
    ended = recorded(tmp_path, body.replace("int(", "sys.exit("), warm=warm).attempts[0]
    assert any(ending.startswith("failed") for ending in ended.endings.values())
    assert not ended.sites


@holds
def test_a_replay_does_not_depend_on_the_lines(tmp_path: Path) -> None:
    trace = recorded(tmp_path, RACY)
    assert recorded(tmp_path, RACY) == trace, "lines included"
    without = msgspec.structs.replace(
        trace,
        attempts=[
            msgspec.structs.replace(attempt, events=[_without_line(event) for event in attempt.events])
            for attempt in trace.attempts
        ],
    )
    assert replay(without, strict=True).digest == trace.digest


def _without_line(event: Event) -> Event:
    return msgspec.structs.replace(event, site=None)


@holds
@pytest.mark.parametrize("what", ["line", "instruction", "code"])
def test_an_interpreter_whose_memory_is_not_as_it_says_has_no_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def lied(described: Described, thread: int, main: int, before: PythonFrames | None) -> PythonFrames | None:
        *inner, outermost = described.frames
        other = msgspec.structs.replace(outermost, **{what: getattr(outermost, what) + 8})
        return frames_of(msgspec.structs.replace(described, frames=(*inner, other)), thread, main, before)

    assert all(event.site for event in recorded(tmp_path, RACY).attempts[0].events)
    monkeypatch.setattr(rank, "frames_of", lied)
    assert not any(event.site for event in recorded(tmp_path, RACY).attempts[0].events)
    with experiment(tmp_path, FIXED) as under_test:
        (warning,) = search(under_test, schedules=1).warnings
    assert warning.startswith("no source lines are named")


def others() -> Iterator[str]:
    """The CPythons on the path, of any build."""
    for minor in (11, 12, 13, 14):
        found = shutil.which(f"python3.{minor}", path=os.pathsep.join(["/usr/bin", os.environ["PATH"]]))
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:
            yield found


@holds
@pytest.mark.parametrize("python", sorted({sys.executable, *others()}))
def test_lines_are_named_of_every_python_that_is_here(tmp_path: Path, python: str) -> None:
    body = """
    import functools
    class Ordered:
        def __lt__(self, other):
            os.mkdir(os.path.join(root, str(rank)))  # made
            return True
    functools.reduce(lambda one, other: sorted([Ordered(), Ordered()]), [1, 2])
    """
    output = str(tmp_path / "out")
    words = (python, program(tmp_path, body), output)
    choice = CommandChoice(words, output, str(tmp_path), warm=False)
    with CommandExperiment(Scenario(cluster=Cluster(1, 1), command=choice)) as under_test:
        trace = trace_of(under_test, under_test.run(TapeReplay(Tape())))
    assert [event.site for event in trace.attempts[0].events] == [lines_in(tmp_path)["made"]]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("<frozen os>", HIDDEN),
        ("/usr/lib/python3.12/shutil.py", HIDDEN),
        ("/usr/lib/python3.12/site-packages/save/all.py", SHOWN),
        ("/usr/lib/python3/dist-packages/save.py", SHOWN),
        ("/home/me/job/site-packages/torch/serialization.py", SERVING),
        ("/home/me/job/site-packages/torchvision/save.py", SHOWN),
        ("/home/me/job/site-packages/simulator/interposition/target/ckptrace_arming.py", HIDDEN),
        ("/home/me/job/torch/save.py", SHOWN),
    ],
)
def test_the_code_under_test_is_named_whether_it_is_installed_or_not(file: str, expected: int) -> None:
    library = ("/usr/lib/python3.12", "/home/me/job/site-packages/simulator/interposition/target")
    assert worth(file, library) == expected


def test_a_line_table_is_read_as_python_reads_it() -> None:
    for module in (dataclasses, tarfile):
        assert module.__file__ is not None
        source = Path(module.__file__).read_text(encoding="utf-8")
        for code in _codes(compile(source, module.__file__, "exec")):
            for begin, end, line in code.co_lines():
                for offset in range(begin, end, 2):
                    assert line_at(code.co_linetable, code.co_firstlineno, offset) == line


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
