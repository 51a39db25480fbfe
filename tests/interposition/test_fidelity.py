"""What a program does does not change by its calls being held: each of these is run plainly and held, and compared."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, cast

import pytest
from rich.console import Console

from simulator.campaigns.command.experiment import CommandExperiment
from simulator.campaigns.command.search import search
from simulator.engines.command.engine import CommandEngine
from simulator.engines.process import torchrun_environment
from simulator.errors import CannotDo
from simulator.interposition.carrying import Carrier, Outcome
from simulator.interposition.listener import Held
from simulator.interposition.system_calls import signatures
from simulator.interposition.watching import Watched
from simulator.operations import Chmod, Chown, Lock, Mkdir, Operation, Setxattr, Utime, Write, paths_of
from simulator.reports.result_object import result_object
from simulator.reports.terminal import print_result
from simulator.scenario import Cluster, CommandChoice, Scenario
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape
from tests.interposition.kernel import holds
from tests.interposition.programs import experiment

if TYPE_CHECKING:
    from simulator.interposition.listener import Listener

pytestmark = [holds, pytest.mark.skipif(os.uname().machine != "x86_64", reason="calls by their numbers on x86-64")]

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


PATHS = {
    "relative to a directory that is open, or moved, or removed": """
        os.mkdir("d")
        d = os.open("d", os.O_RDONLY)
        os.mkdir("e", dir_fd=d)
        os.rename("d", "moved")
        os.close(os.open("in it", os.O_CREAT | os.O_WRONLY, dir_fd=d))
        os.rename("in it", "out of it", src_dir_fd=d)
        tried(os.unlink, "in it", dir_fd=d)
        os.rmdir("moved/e"); os.rmdir("moved")
        tried(os.mkdir, "e", dir_fd=d)
        tried(os.open, "e", os.O_CREAT, dir_fd=d)
        tried(os.stat, "e", dir_fd=d)
        print(os.fstat(d).st_nlink, os.listdir(d))
        os.mkdir("here"); os.chdir("here"); os.rmdir("../here")
        tried(os.mkdir, "x"); tried(os.rename, "../out of it", "x"); tried(os.getcwd)
        os.chdir(root)
        os.mkdir("named (deleted)"); os.mkdir("named (deleted)/e")
        tried(os.rmdir, "no such directory"); tried(os.mkdir, ""); tried(os.stat, ""); tried(os.unlink, ".")
        tried(os.mkdir, "x" * 300); tried(os.mkdir, "y/" * 2500); tried(os.rename, ".", "z"); tried(os.rmdir, "..")
    """,
    "O_PATH, as coreutils' mv opens": """
        for flags in (0, os.O_DIRECTORY, os.O_NOFOLLOW, os.O_CLOEXEC):
            d = os.open(".", os.O_PATH | flags)
            tried(os.read, d, 1)
            os.mkdir(f"by {flags}", dir_fd=d)
            print(os.get_inheritable(d))
            os.close(d)
        tried(os.open, "absent", os.O_PATH | os.O_CREAT)
        tried(os.open, "armed/x", os.O_PATH)
        os.symlink("nowhere", "link")
        link = os.open("link", os.O_PATH | os.O_NOFOLLOW)
        print(os.readlink("", dir_fd=link), stat.S_ISLNK(os.fstat(link).st_mode))
        open("file", "w").write("text")
        f = os.open("file", os.O_PATH)
        tried(os.fchmod, f, 0o600)
        print(open(f"/proc/self/fd/{f}").read())
    """,
    "openat2 confined to a directory": """
        def opened(name, flags, resolve, size=24, mode=0):
            how = (ctypes.c_uint64 * 3)(flags, mode, resolve)
            d = os.open("box", os.O_RDONLY)
            got = libc.syscall(437, d, name.encode(), how, size)
            print(name, errno.errorcode[ctypes.get_errno()] if got < 0 else os.fstat(got).st_size)
        os.mkdir("box"); open("box/in", "w").write("in"); open("out", "w").write("outside")
        os.symlink("../out", "box/away"); os.symlink("in", "box/near")
        for resolve in (0x08, 0x10, 0x04, 0x01, 0x02, 0):
            for name in ("in", "../out", "away", "near", "/out", "absent"):
                opened(name, os.O_RDONLY, resolve)
        opened("made", os.O_CREAT | os.O_WRONLY, 0x08, mode=0o600)
        opened("../made", os.O_CREAT | os.O_WRONLY, 0x08, mode=0o600)
        opened("in", os.O_RDONLY, 0, 8); opened("in", os.O_RDONLY, 0xffff); opened("in", os.O_PATH, 0x08)
        opened("in", os.O_PATH | os.O_CREAT, 0x08); opened("in", 0, 0, mode=0o600)
    """,
    "files without a name": """
        f = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o640)
        os.write(f, b"text")
        called("linkat", 265, -100, f"/proc/self/fd/{f}".encode(), -100, b"named", 0x400)
        called("linkat", 265, f, b"", -100, b"by descriptor", 0x1000)
        called("linkat", 265, f, b"", -100, b"without the flag", 0)
        called("linkat", 265, 999, b"", -100, b"of none", 0x1000)
        g = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_EXCL)
        called("linkat", 265, g, b"", -100, b"exclusive", 0x1000)
        os.symlink("named", "link")
        called("linkat", 265, -100, b"link", -100, b"to file", 0x400); os.link("link", "to link")
        called("renameat2", 316, -100, b"named", -100, b"by descriptor", 1)
        called("renameat2", 316, -100, b"named", -100, b"link", 2)
        print(os.path.islink("named"))
    """,
    "masks": """
        for mask in (0, 0o77, 0o777, 0o22):
            os.umask(mask)
            os.mkdir(f"d{mask}"); os.close(os.open(f"f{mask}", os.O_CREAT, 0o666)); os.mkfifo(f"p{mask}")
        thread = threading.Thread(target=lambda: (libc.unshare(0x200), os.umask(0o7), os.chdir("d18"), os.mkdir("x")))
        thread.start(); thread.join()
        os.mkdir("y")
        print(oct(os.umask(0)))
    """,
    "descriptors that are none": """
        for descriptor in (-1, -100, 999):
            for name, number in (("write", 1), ("fsync", 74), ("ftruncate", 77), ("close", 3), ("fchmod", 91),
                                 ("fstat", 5), ("getdents64", 217), ("mmap", 9)):
                called(name, number, descriptor, ctypes.create_string_buffer(200), 1)
            called("flock", 73, descriptor, 1)
            called("utimensat", 280, descriptor, None, None, 0)
            called("mkdirat", 258, descriptor if descriptor != -100 else 998, b"d", 0o700)
        f = os.open("f", os.O_CREAT | os.O_RDWR)
        called("write", 1, f, b"x", ctypes.c_size_t(-1))
        called("write", 1, f, ctypes.c_void_p(1), 5)
        called("write", 1, ctypes.c_long(f | 1 << 40), b"x", 1)
        called("mkdir", 83, ctypes.c_void_p(1), 0)
        called("mkdir", 83, None, 0)
        called("openat", 257, -100, ctypes.c_void_p(8), 0)
        called("openat2", 437, -100, b"f", None, 24)
        called("openat2", 437, -100, b"f", ctypes.c_void_p(8), 24)
        tried(os.ftruncate, os.open("f", os.O_RDONLY), 1)
    """,
    "pipes that have a name": """
        os.mkfifo("fifo")
        tried(os.open, "fifo", os.O_WRONLY | os.O_NONBLOCK)
        said = []
        thread = threading.Thread(target=lambda: said.append(open("fifo").read()))
        thread.start()
        with open("fifo", "w") as file:
            file.write("through it")
        thread.join()
        print(said)
        os.symlink("/dev/null", "null"); open("null", "w").write("gone")
        os.symlink("/dev/tty", "tty"); os.symlink("fifo", "link")
        tried(os.open, "link", os.O_RDONLY | os.O_NOFOLLOW)
        os.close(os.open("fifo", os.O_RDWR))
    """,
    "through a link from elsewhere": """
        import tempfile
        with tempfile.TemporaryDirectory() as other:
            os.symlink(root, other + "/link")
            os.mkdir(other + "/link/d")
            with open(other + "/link/d/f", "w") as file: file.write("x")
            os.rename(other + "/link/d/f", other + "/link/g")
            print(os.listdir(other + "/link/d"))
    """,
    "a rename with coreutils": """
        import subprocess
        open("a", "w").write("a"); os.mkdir("out"); os.mkdir("tree"); open("tree/x", "w").write("y" * 70000)
        for words in (["mv", "a", "out/"], ["cp", "-a", "tree", "copy"], ["cp", "out/a", "b"], ["ln", "b", "c"],
                      ["rm", "-r", "tree"], ["touch", "copy/x"], ["mkdir", "-p", "p/q"], ["rmdir", "p/q", "p"],
                      ["install", "-m", "600", "b", "installed"], ["truncate", "-s", "5", "b"], ["sync", "b"],
                      ["mkfifo", "pipe"], ["dd", "if=b", "of=d", "status=none"], ["chmod", "g+w", "b"]):
            print(words, subprocess.run(words).returncode)
    """,
}

DATA = {
    "bytes that the kernel moves": (
        """
        with open("from", "wb") as file: file.write(b"0123456789" * 1000)
        s = os.open("from", os.O_RDONLY)
        t = os.open("to", os.O_CREAT | os.O_RDWR)
        print(os.copy_file_range(s, t, 1 << 40), os.sendfile(t, s, 0, 5000), os.lseek(t, 0, os.SEEK_CUR))
        out, into = os.pipe()
        os.write(into, b"through a pipe")
        print(os.splice(out, t, 100, offset_dst=3) if hasattr(os, "splice") else None)
        def cloned(*a):
            import fcntl
            return fcntl.ioctl(*a)
        tried(cloned, t, 0x40049409, s)
        print(os.pwritev(t, [b"ab", b"cd"], 1))
        """,
        {"Write 10000", "Write 5000", "Write 100", "Write 4"},
    ),
    "attributes": (
        """
        open("f", "w").close(); os.symlink("f", "l")
        f = os.open("f", os.O_RDWR)
        tried(os.setxattr, "f", "user.a", b"value"); tried(os.setxattr, f, "user.b", b"")
        tried(os.setxattr, "l", "user.c", b"v", follow_symlinks=False); tried(os.setxattr, "f", "nowhere.d", b"v")
        tried(os.removexattr, "f", "user.a"); tried(os.removexattr, f, "user.z"); tried(os.listxattr, "f")
        tried(os.setxattr, "f", "user.big", b"x" * 70000)
        os.utime("f", ns=(1, 2)); os.utime(f, ns=(3, 4)); os.fchmod(f, 0o600); os.chown("f", -1, -1)
        print(os.stat("f").st_mtime_ns)
        """,
        {"Setxattr f", "Setxattr fd", "Utime f", "Utime fd", "Chown f", "Chmod fd"},
    ),
    "new kinds of files": (
        """
        import socket
        os.mknod("m", 0o644 | stat.S_IFREG); os.mkfifo("p"); os.mknod("z")
        with socket.socket(socket.AF_UNIX) as s: s.bind("s")
        with socket.socket(socket.AF_UNIX) as s: s.bind("\\0abstract" + str(os.getpid()))
        with socket.socket() as s: s.bind(("127.0.0.1", 0))
        print("bound")
        """,
        {"Open m", "Mkfifo p", "Open z", "Mkfifo s"},
    ),
    "locks": (
        """
        import fcntl
        f = os.open("f", os.O_CREAT | os.O_RDWR)
        fcntl.lockf(f, fcntl.LOCK_EX); fcntl.lockf(f, fcntl.LOCK_UN); fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
        print(fcntl.fcntl(f, fcntl.F_GETFL) & os.O_ACCMODE, fcntl.fcntl(f, fcntl.F_GETFD))
        """,
        {"Lock 2", "Lock 8", "Lock 5"},
    ),
}
"""With what must be among the operations that are held."""

UNSEEN = {
    "a mapping": (
        """
        import mmap
        f = os.open("f", os.O_CREAT | os.O_RDWR)
        os.ftruncate(f, 10)
        private, shared = mmap.mmap(f, 10, mmap.MAP_PRIVATE), mmap.mmap(f, 10, prot=mmap.PROT_READ)
        private[0:1] = b"p"
        print(shared[0:1])
        with mmap.mmap(f, 10) as memory: memory[0:4] = b"text"
        """,
        {"writes through a mapping (mmap) to f"},
    ),
    "asynchronous writes": (
        """
        import struct
        f = os.open("f", os.O_CREAT | os.O_RDWR)
        context, data = ctypes.c_uint64(), ctypes.create_string_buffer(b"text", 4)
        print(libc.syscall(206, 1, ctypes.byref(context)))
        request = struct.pack("=QIIHhIQQqQII", 0, 0, 0, 1, 0, f, ctypes.addressof(data), 4, 0, 0, 0, 0)
        request = ctypes.create_string_buffer(request, len(request))
        pointers = (ctypes.c_uint64 * 1)(ctypes.addressof(request))
        print(libc.syscall(209, context, ctypes.c_long(1), pointers))
        events = ctypes.create_string_buffer(32)
        print(libc.syscall(208, context, ctypes.c_long(1), ctypes.c_long(1), events, None))
        """,
        {"asynchronous writes (io_submit) to f"},
    ),
}

PRIVILEGED = {
    "as another user": """
        os.mkdir("mine", 0o700); os.mkdir("theirs", 0o777); os.chmod("theirs", 0o777); os.chmod(".", 0o755)
        os.chmod("armed", 0o1777)
        open("armed/root's", "w").close()
        pid = os.fork()
        if pid == 0:
            os.setgroups([5, 7]); os.setgid(12345); os.setuid(12345)
            tried(os.mkdir, "mine/x"); tried(os.mkdir, "x"); tried(os.mkdir, "theirs/x"); tried(os.listdir, "mine")
            tried(os.chmod, "mine", 0o777); tried(os.chown, "theirs/x", 0, 0); tried(os.rename, "theirs/x", "theirs/y")
            tried(os.unlink, "armed/root's"); tried(os.access, "mine", os.W_OK); tried(os.open, "theirs/f", os.O_CREAT)
            tried(os.stat, "mine/x"); tried(os.link, "armed/root's", "theirs/l")
            found = os.stat("theirs/f"); print(found.st_uid, found.st_gid)
            sys.stdout.flush()
            os._exit(0)
        print(os.waitpid(pid, 0)[1])
        os.mkdir("mine/root's")
        print(os.stat("mine/root's").st_uid, os.stat("theirs/y").st_uid)
    """,
    "with another effective user, and without capabilities": """
        os.chmod(".", 0o777)
        os.mkdir("closed", 0o000)
        os.seteuid(12345)
        tried(os.mkdir, "closed/a"); tried(os.mkdir, "b"); tried(os.access, "closed", os.W_OK)
        tried(os.access, "closed", os.W_OK, effective_ids=True)
        os.seteuid(0)
        tried(os.mkdir, "closed/c")
        print(os.stat("b").st_uid)
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        print(libc.capset(header, (ctypes.c_uint32 * 6)()))
        tried(os.mkdir, "closed/d"); tried(os.chown, "b", 1, 1); tried(os.mkdir, "e")
    """,
    "in a root of its own": """
        os.makedirs("root/d")
        os.symlink("/d", "root/absolute"); os.symlink("../../..", "root/up")
        pid = os.fork()
        if pid == 0:
            os.chroot("root"); os.chdir("/")
            os.mkdir("/x"); os.mkdir("absolute/y"); os.mkdir("up/z"); os.mkdir("../w"); os.rename("/x", "/d/x")
            open("/absolute/f", "w").close()
            print(sorted(os.listdir("/")), sorted(os.listdir("d")), os.stat("/d").st_nlink)
            sys.stdout.flush()
            os._exit(0)
        print(os.waitpid(pid, 0)[1])
        os.mkdir("after")
    """,
    "devices and owners": """
        os.mknod("n", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        open("n", "w").write("to nowhere")
        os.chown("n", 3, 4); os.symlink("n", "l"); os.lchown("l", 5, 6)
        print(os.stat("n").st_uid, os.lstat("l").st_gid)
        os.fchown(os.open("f", os.O_CREAT | os.O_RDWR), 7, -1)
        print(os.stat("f").st_uid)
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


def compare(tmp_path: Path, body: str) -> CommandEngine:
    """Run the program both ways, and hold that it prints and leaves the same; gives the engine that held it."""
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
        return engine


@pytest.mark.parametrize("body", SIGNALS.values(), ids=SIGNALS)
def test_signals_leave_held_calls_alone_and_end_those_that_wait(tmp_path: Path, body: str) -> None:
    compare(tmp_path, body)


@pytest.mark.parametrize("body", PATHS.values(), ids=PATHS)
def test_paths_lead_where_they_lead_their_caller(tmp_path: Path, body: str) -> None:
    compare(tmp_path, body)


@pytest.mark.parametrize(("body", "expected"), DATA.values(), ids=DATA)
def test_what_changes_data_and_attributes_is_held(tmp_path: Path, body: str, expected: set[str]) -> None:
    engine = compare(tmp_path, body)
    assert expected <= {_in_short(step.operation) for step in engine.steps}
    assert not engine.unseen


@pytest.mark.parametrize(("body", "expected"), UNSEEN.values(), ids=UNSEEN)
def test_what_changes_without_a_call_is_said(tmp_path: Path, body: str, expected: set[str]) -> None:
    assert compare(tmp_path, body).unseen == expected


def _in_short(operation: Operation) -> str:
    kind = type(operation).__name__
    match operation:
        case Write():
            return f"{kind} {len(operation.data)}"
        case Lock():
            return f"{kind} {operation.how}"
        case Chmod() | Chown() | Setxattr() | Utime():
            return f"{kind} {operation.target if isinstance(operation.target, str) else 'fd'}"
    return " ".join([kind, *paths_of(operation)])


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
@pytest.mark.parametrize("body", PRIVILEGED.values(), ids=PRIVILEGED)
def test_callers_keep_their_identity(tmp_path: Path, body: str) -> None:
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    compare(tmp_path, body)


@pytest.mark.parametrize(
    "call",
    [
        "os.mkfifo('p')", "os.mknod('n')", "os.chown('.', -1, -1)", "os.setxattr('.', 'user.a', b'')",
        "__import__('socket').socket(1).bind('s')",
    ],
    ids=lambda call: call.partition("(")[0],
)  # fmt: skip
def test_calls_are_held_from_the_first_one_on_that_changes_something(tmp_path: Path, call: str) -> None:
    path, held = tmp_path / "program.py", tmp_path / "held"
    path.write_text(f"import os, sys\nos.chdir(sys.argv[1])\ntry: {call}\nexcept OSError: pass\n", encoding="utf-8")
    choice = CommandChoice((sys.executable, str(path), str(held)), str(held), str(tmp_path), silence=20.0)
    with CommandExperiment(Scenario(cluster=Cluster(1, 1), command=choice)) as under_test:
        [attempt] = under_test.run(TapeReplay(Tape())).attempts
        assert len(attempt.steps) == 1


def test_what_changes_unseen_is_said_with_the_verdict(tmp_path: Path) -> None:
    body = """
        import mmap
        with open(os.path.join(root, str(rank)), "wb+") as file:
            file.truncate(4)
            with mmap.mmap(file.fileno(), 4) as memory:
                memory[:] = b"text"
    """
    with experiment(tmp_path, body) as under_test:
        result = search(under_test, schedules=2)
    expected = [f"writes through a mapping (mmap) to {rank}" for rank in range(2)]
    assert result.verdict == "clean"
    assert result_object(result, [])["unseen"] == expected
    print_result(console := Console(file=StringIO(), width=200), result)
    assert isinstance(console.file, StringIO)
    assert all(f"unseen  {each}" in console.file.getvalue() for each in expected)


def test_a_caller_that_nobody_can_stand_in_for_ends_the_run(tmp_path: Path) -> None:
    leave = "import ctypes, sys\nif ctypes.CDLL(None).unshare(0x10000000): sys.exit('no namespaces')\n"
    if subprocess.run([sys.executable, "-c", leave], capture_output=True).returncode:
        pytest.skip("no user namespace can be made here")
    body = f"{leave}os.mkdir(os.path.join(root, str(rank)))"
    with experiment(tmp_path, body) as under_test, pytest.raises(CannotDo, match="user namespace of its own"):
        under_test.run(TapeReplay(Tape()))


def test_a_call_whose_answer_a_signal_lost_is_answered_when_it_comes_again(tmp_path: Path) -> None:
    """As kernels before 5.19 let happen. The caller is this process, which is asked as any other."""

    class Deaf:
        def __init__(self) -> None:
            self.answered: list[int] = []
            self.hears = False

        def answer(self, held: Held, value: int = 0) -> bool:
            self.answered.append(value)
            return self.hears

    text = ctypes.create_string_buffer(os.fsencode(tmp_path / "d"))
    number, signature = next(each for each in signatures().items() if each[1].name == "mkdirat")
    held = Held(1, os.getpid(), number, (0xFFFFFF9C, ctypes.addressof(text), 0o700, 0, 0, 0))
    carrier, deaf = Carrier(), Deaf()
    listener = cast("Listener", deaf)
    assert not carrier.repeats(listener, held)
    assert carrier.carry_out(listener, held, signature, Watched(Mkdir("d"))) == Outcome()
    deaf.hears = True
    assert carrier.repeats(listener, held)
    assert deaf.answered == [0, 0]
    assert not carrier.repeats(listener, held)
    assert (tmp_path / "d").is_dir()
    carrier.close()
