"""What reaches past the simulation is refused, with the call named, and does not happen."""

from __future__ import annotations

import _thread
import ctypes
import multiprocessing
import os
import posix
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import simulator
from simulator.errors import Escape
from tests.boundary.direct import ROOT, DirectCaller, running

OUTSIDE = "/opt/ckptrace-escape"

WRITES: dict[str, Callable[[], Any]] = {
    "os.mkdir('/opt/ckptrace-escape')": lambda: os.mkdir(OUTSIDE),
    "os.mkdir('/opt/ckptrace-escape2')": lambda: os.makedirs(OUTSIDE + "2/a"),
    "os.rmdir('/opt/ckptrace-escape')": lambda: os.rmdir(OUTSIDE),
    "os.unlink('/opt/ckptrace-escape')": lambda: os.unlink(OUTSIDE),
    "os.remove('/opt/ckptrace-escape')": lambda: os.remove(OUTSIDE),
    "os.rename('f', '/opt/ckptrace-escape')": lambda: os.rename("f", OUTSIDE),
    "os.rename('/opt/ckptrace-escape', 'f')": lambda: os.rename(OUTSIDE, "f"),
    "os.replace('/opt/ckptrace-escape', '/opt/ckptrace-escape2')": lambda: os.replace(OUTSIDE, OUTSIDE + "2"),
    "os.link('f', '/opt/ckptrace-escape')": lambda: os.link("f", OUTSIDE),
    "os.symlink('f', '/opt/ckptrace-escape')": lambda: os.symlink("f", OUTSIDE),
    "os.symlink('/opt/ckptrace-escape', 'l')": lambda: os.symlink(OUTSIDE, "l"),
    "os.chmod('/opt/ckptrace-escape', 448)": lambda: os.chmod(OUTSIDE, 0o700),
    "os.chown('/opt/ckptrace-escape', 0, 0)": lambda: os.chown(OUTSIDE, 0, 0),
    "os.utime('/opt/ckptrace-escape', None)": lambda: os.utime(OUTSIDE),
    "os.truncate('/opt/ckptrace-escape', 1)": lambda: os.truncate(OUTSIDE, 1),
    "os.mkfifo('/opt/ckptrace-escape')": lambda: os.mkfifo(OUTSIDE),
    "os.open('/opt/ckptrace-escape', 65)": lambda: os.open(OUTSIDE, os.O_WRONLY | os.O_CREAT),
    "open('/opt/ckptrace-escape', 'w')": lambda: open(OUTSIDE, "w"),  # noqa: SIM115
    "open('/opt/ckptrace-escape', 'r+b')": lambda: open(OUTSIDE, "r+b"),  # noqa: SIM115
    "open('/srv/ckptrace-escape', 'wb')": lambda: Path("/srv/ckptrace-escape").write_bytes(b""),
    "open('../../../opt/ckptrace-escape', 'w')": lambda: open("../../../opt/ckptrace-escape", "w"),  # noqa: SIM115
}

STARTS: dict[str, Callable[[], Any]] = {
    "threading.Thread.start() of 'saver'": lambda: threading.Thread(target=print, name="saver").start(),
    "threading.Thread.start() of 'pool_0'": lambda: ThreadPoolExecutor(1, "pool").submit(print),
    "_thread.start_new_thread(print)": lambda: _thread.start_new_thread(print, ()),
    "multiprocessing.Process.start() of 'helper'": lambda: multiprocessing.Process(name="helper").start(),
    "subprocess.Popen(['ls', '-l'])": lambda: subprocess.run(["ls", "-l"], check=True),
    "subprocess.Popen('ls')": lambda: os.popen("ls"),
    "os.system('ls')": lambda: os.system("ls"),
    "os.fork()": lambda: os.fork(),
    "os.posix_spawn('/bin/ls', ['ls'], {})": lambda: os.posix_spawn("/bin/ls", ["ls"], {}),
    "os.execv('/bin/ls', ['ls'])": lambda: os.execv("/bin/ls", ["ls"]),
    "os.kill(4000, <Signals.SIGKILL: 9>)": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "os._exit(1)": lambda: os._exit(1),
    "signal.alarm(1)": lambda: signal.alarm(1),
    "os.dup2(1073741824, 1)": lambda: os.dup2(os.open("f", os.O_RDONLY), 1),
    "os.chroot('/')": lambda: os.chroot("/"),
}


@pytest.mark.parametrize("call", [*WRITES, *STARTS])
def test_a_call_that_reaches_out_is_named_and_does_not_happen(caller: DirectCaller, call: str) -> None:
    with running(caller):
        open("f", "w").close()
        caller.operations.clear()
        with pytest.raises(Escape):
            {**WRITES, **STARTS}[call]()
    assert caller.escapes == [call]
    assert not os.path.lexists(OUTSIDE)
    assert not os.path.lexists("/srv/ckptrace-escape")


# The originals, out of reach of the search for captured ones: in a container, and through CPython's own module.
PAST: dict[str, Callable[..., Any]] = {
    name: getattr(posix, name) for name in ("mkdir", "rename", "remove", "rmdir", "listdir", "scandir", "truncate")
}
PAST["open"] = open
PAST["thread"] = _thread.start_new_thread

AUDITED: dict[str, Callable[[], Any]] = {
    "os.mkdir('/dev/null/ckptrace/d'": lambda: PAST["mkdir"](ROOT + "/d"),
    "os.mkdir('d'": lambda: PAST["mkdir"]("d"),
    "os.rename('/dev/null/ckptrace/d', '/dev/null/ckptrace/e'": lambda: PAST["rename"](ROOT + "/d", ROOT + "/e"),
    "os.remove('/dev/null/ckptrace/d'": lambda: PAST["remove"](ROOT + "/d"),
    "os.rmdir(b'/dev/null/ckptrace/d'": lambda: PAST["rmdir"](ROOT.encode() + b"/d"),
    "os.listdir('/dev/null/ckptrace'": lambda: PAST["listdir"](ROOT),
    "os.listdir('.'": lambda: PAST["listdir"]("."),
    "os.scandir(None": lambda: PAST["scandir"](),
    "os.truncate('/opt/ckptrace-escape'": lambda: PAST["truncate"](OUTSIDE, 1),
    "open('/dev/null/ckptrace/f', 'r'": lambda: PAST["open"](ROOT + "/f"),
    "open('/opt/ckptrace-escape', 'w'": lambda: PAST["open"](OUTSIDE, "w"),
    "open('relative', 'r'": lambda: PAST["open"]("relative"),
    "socket.connect(('127.0.0.1', 9)": lambda: socket.socket().connect(("127.0.0.1", 9)),
    "sqlite3.connect('/opt/ckptrace-escape'": lambda: sqlite3.connect(OUTSIDE),
}
if sys.version_info >= (3, 12):  # before, starting a thread raised no event
    AUDITED["_thread.start_new_thread(<built-in function print>"] = lambda: PAST["thread"](print, ())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("call", AUDITED)
def test_a_call_past_the_boundary_is_seen_by_the_audit_hook(caller: DirectCaller, call: str) -> None:
    with running(caller), pytest.raises(Escape):
        AUDITED[call]()
    assert caller.escapes == [f"{call}), by a function that was called past the boundary"]
    assert not os.path.lexists(OUTSIDE)


def test_the_hook_is_silent_while_no_rank_runs(caller: DirectCaller, tmp_path: Path) -> None:
    PAST["mkdir"](str(tmp_path / "d"))
    with PAST["open"](tmp_path / "f", "w") as file:
        file.write("x")
    assert caller.escapes == []


def test_the_standard_librarys_own_events_are_no_escapes(caller: DirectCaller) -> None:
    """``shutil``, ``tempfile``, ``glob`` and ``os.walk`` raise events of their own about paths below the root."""
    with running(caller):
        os.mkdir("a")
        shutil.copytree("a", "b")
        shutil.move("b", "c")
        shutil.rmtree(ROOT + "/c")
        os.rmdir(tempfile.mkdtemp(dir=ROOT))
        assert [list(os.walk(ROOT)), list(Path(ROOT).glob("*"))] == [
            [(ROOT, ["a"], []), (f"{ROOT}/a", [], [])], [Path(ROOT, "a")]
        ]  # fmt: skip
    assert caller.escapes == []


def test_a_refused_call_raises_even_if_the_engine_only_notes_it(caller: DirectCaller) -> None:
    noted: list[str] = []
    caller.escaped = noted.append  # type: ignore[assignment]
    with running(caller), pytest.raises(Escape, match=r"rank 0 .* os\.mkdir\('/opt/ckptrace-escape'\)"):
        os.mkdir(OUTSIDE)
    assert noted == ["os.mkdir('/opt/ckptrace-escape')"]


def test_long_arguments_are_cut(caller: DirectCaller) -> None:
    with running(caller), pytest.raises(Escape):
        os.mkdir("/opt/" + "x" * 200)
    assert len(caller.escapes[0]) < 100


def test_signal_handlers_are_not_installed_in_the_tools_process(caller: DirectCaller) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with running(caller):
        assert signal.signal(signal.SIGTERM, lambda *_: None) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: os.mkdir("/opt/ckptrace-escape"), "only paths below rank.root are simulated, and new ones in /tmp"),
        (threading.Thread(target=print).start, "use rank.background(function) instead of a thread"),
        (lambda: subprocess.run(["ls"], check=True), "a rank cannot start processes"),
        (lambda: posix.mkdir("/opt/ckptrace-escape"), "call the function through its module"),
    ],
)
def test_a_refusal_says_where_it_was_and_what_to_do(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(Escape) as refused:
        simulator.run_as_rank(lambda: call())
    text = str(refused.value)
    assert said in text
    assert f", at {__file__}:" in text


def test_a_thread_that_a_library_starts_is_not_told_to_be_another_one(tmp_path: Path) -> None:
    saving = pytest.importorskip("torch.distributed.checkpoint", reason="torch is an extra, and its builds differ")

    def program(rank: Any) -> None:
        saving.async_save({"step": 1}, checkpoint_id=str(rank.root / "step"))

    with pytest.raises(Escape) as refused:
        simulator.run_as_rank(program)
    assert "a thread or process that torch starts itself" in str(refused.value)
    assert "instead of a thread" not in str(refused.value)


EARLY = ctypes.CDLL(None, use_errno=True)
EARLY.rmdir.argtypes = [ctypes.c_char_p]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ctypes.CDLL(None).renameat2, "ctypes.dlsym('renameat2')"),
        (lambda: (EARLY.rmdir(b"f"), ctypes.get_errno()), "ctypes.get_errno()"),
    ],
    ids=["looks a function up", "looks at the error"],
)
def test_a_rank_that_has_c_act_on_files_is_no_finding(call: Callable[[], Any], said: str) -> None:
    def program(rank: Any) -> None:
        (rank.root / "f").exists()
        call()

    with pytest.raises(Escape, match=re.escape(said) + ".*use the functions of os"):
        simulator.explore(program, nodes=2)


def test_c_functions_that_have_nothing_to_do_with_files_are_called() -> None:
    def program(rank: Any) -> None:
        (rank.root / "f").exists()
        ctypes.CDLL(None).abs(-1)

    assert simulator.explore(program, nodes=2, schedules=2).verdict == "clean"
