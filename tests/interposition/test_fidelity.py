"""What a program does does not change by its calls being held: each of these is run plainly and held, and compared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.engines.process import torchrun_environment
from simulator.scenario import Cluster, CommandChoice, Scenario
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from tests.interposition.kernel import holds

pytestmark = holds

_HEAD = """
import ctypes, errno, os, signal, stat, sys, threading, time
root = sys.argv[1]
os.chdir(root)
libc = ctypes.CDLL(None, use_errno=True)

def tried(function, *arguments, **named):
    # What a call gives, or the name of its error.
    try:
        print(function.__name__, function(*arguments, **named))
    except OSError as error:
        print(function.__name__, errno.errorcode[error.errno])

def called(name, number, *arguments):
    # A system call by its number.
    ctypes.set_errno(0)
    value = libc.syscall(number, *arguments)
    print(name, value if value >= 0 else errno.errorcode[ctypes.get_errno()])
    return value

os.mkdir("armed")
"""

SIGNALS = {
    "an alarm all the time": """
        count = 0
        def ring(*_):
            global count
            count += 1
        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        for i in range(12):
            os.mkdir(f"{i}"); os.rename(f"{i}", f"{i}b"); os.stat(f"{i}b"); os.rmdir(f"{i}b")
            descriptor = os.open("file", os.O_CREAT | os.O_WRONLY)
            os.write(descriptor, b"x"); os.fsync(descriptor); os.close(descriptor)
        while not count: pass
        signal.setitimer(signal.ITIMER_REAL, 0)
        print("done")
    """,
    "children that end": """
        ended = 0
        def child(*_):
            global ended
            ended += 1
        signal.signal(signal.SIGCHLD, child)
        for i in range(8):
            pid = os.fork()
            if pid == 0:
                os.mkdir(f"child {i}")
                os._exit(0)
            for j in range(5): os.mkdir(f"{i} {j}")
            print(os.waitpid(pid, 0)[1])
        print(ended > 0)
    """,
    "an alarm that ends what waits": """
        import fcntl
        def ring(*_): raise TimeoutError("rang")
        signal.signal(signal.SIGALRM, ring)
        def timed(name, function, *arguments):
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            try:
                print(name, function(*arguments))
            except TimeoutError as error:
                print(name, error)
        out, into = os.pipe()
        timed("read", os.read, out, 1)
        timed("write", os.write, into, b"x" * 1_000_000)
        if (pid := os.fork()) == 0:
            signal.pause()
        timed("wait", os.waitpid, pid, 0)
        os.kill(pid, 9)
        first = os.open("lock", os.O_CREAT | os.O_RDWR)
        second = os.open("lock", os.O_RDWR)
        fcntl.flock(first, fcntl.LOCK_EX)
        timed("flock", fcntl.flock, second, fcntl.LOCK_EX)
        lock = threading.Lock()
        lock.acquire()
        timed("acquire", lock.acquire)
    """,
    "a handler that wants calls to be restarted": """
        rang = []
        signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
        signal.siginterrupt(signal.SIGALRM, False)
        out, into = os.pipe()
        timer = threading.Timer(0.05, os.write, (into, b"x"))
        timer.start()
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        libc.read.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
        buffer = ctypes.create_string_buffer(1)
        print(libc.read(out, buffer, 1), buffer.raw)
        timer.join()
    """,
    "handlers that are saved and put back": """
        class Action(ctypes.Structure):
            _fields_ = [("bytes", ctypes.c_char * 256)]
        rang = []
        signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
        saved = Action()
        print(libc.sigaction(signal.SIGALRM, None, ctypes.byref(saved)))
        libc.signal(signal.SIGALRM, ctypes.c_void_p(signal.SIG_IGN))
        print(libc.sigaction(signal.SIGALRM, ctypes.byref(saved), None))
        out, into = os.pipe()
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        buffer = ctypes.create_string_buffer(1)
        print(libc.read(out, buffer, 1), errno.errorcode[ctypes.get_errno()])
    """,
}


def tree(directory: Path) -> list[tuple[str, str, int, int, str]]:
    """Everything in a directory: names, modes, links, sizes and what is in it."""
    found = []
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes().hex() if path.is_file() else ""
        size = 0 if path.is_dir() else status.st_size
        found.append((str(path.relative_to(directory)), oct(status.st_mode), status.st_nlink, size, content))
    return found


def compare(tmp_path: Path, body: str) -> None:
    """Run the program both ways, and hold that it prints and leaves the same."""
    path = tmp_path / "program.py"
    path.write_text(_HEAD + dedent(body), encoding="utf-8")
    (plain := tmp_path / "plain").mkdir()
    environment = os.environ | torchrun_environment(0, 1, 1, 0) | {"PYTHONUNBUFFERED": "1"}
    run = subprocess.run(
        [sys.executable, str(path), str(plain)], capture_output=True, text=True, env=environment, timeout=60
    )
    assert run.returncode == 0, run.stderr
    held, words = tmp_path / "held", (sys.executable, str(path), str(tmp_path / "held"))
    choice = CommandChoice(words, str(held), str(tmp_path), silence=20.0)
    with CommandExperiment(Scenario(cluster=Cluster(1, 1), command=choice)) as under_test:
        done = under_test.run(TapeReplay(Tape()))
        [engine] = under_test.engines
        printed = engine.output[0].text().replace(str(held), str(plain))
        assert (done.incomplete, done.violation) == (None, None), printed
        assert printed == run.stdout
        assert tree(held) == tree(plain)
        assert engine.steps


@pytest.mark.parametrize("body", SIGNALS.values(), ids=SIGNALS)
def test_signals_leave_held_calls_alone_and_end_those_that_wait(tmp_path: Path, body: str) -> None:
    compare(tmp_path, body)
