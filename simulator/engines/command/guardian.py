"""A process that starts those of a program, and sees to it that none of them outlives ckptrace, however that ends.

The supervisor runs this file as a script of its own, with nothing imported but the standard library. As a child
subreaper (prctl(2)) it becomes the parent of whatever a program leaves behind, daemons included. When the supervisor
closes its channel or is gone, it kills all that is below it, empties the watched directory, and ends. The end of a run
always goes this way, so a killed supervisor leaves what an orderly one does. If this process is killed itself, the
kernel kills what it has started (``PR_SET_PDEATHSIG``).

Requests and answers are lines of JSON on the channel, whose descriptor is the first argument; the descriptor of the
lock of the watched directory is the second, the directory the third. A request to start comes with the descriptors of
the process's channel, standard output and standard error.
"""

from __future__ import annotations

import array
import ctypes
import errno
import json
import os
import select
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
HEARTBEAT = 1.0
"""Seconds between two marks on the lock that say: until now, what is in the directory is the run's."""
_LONGEST = 1 << 20
_PATIENCE = 10.0
"""Seconds in which processes that were killed must be gone; one in the middle of a call to a dead server never is."""


def die_with(parent: int) -> None:
    """Let the kernel kill this process when ``parent``, which has started it, ends for whatever reason.

    Bound to the thread of the parent that has started it.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def empty(directory: str) -> None:
    """Delete everything in a directory, but not itself, whatever modes a program has given to what it made there.

    Raises OSError, naming the path, for what cannot be deleted.
    """
    for entry in _entries(directory):
        if entry.is_dir(follow_symlinks=False):
            empty(entry.path)
            os.rmdir(entry.path)
        else:
            os.unlink(entry.path)


def _entries(directory: str) -> list[os.DirEntry[str]]:
    if stat.S_IMODE(os.lstat(directory).st_mode) & stat.S_IRWXU != stat.S_IRWXU:
        with suppress(OSError):
            os.chmod(directory, stat.S_IRWXU)
    with os.scandir(directory) as entries:
        return list(entries)


def main() -> None:
    """Serve until the supervisor closes its channel, or is gone."""
    supervisor = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The supervisor decides. A handler, as opposed to SIG_IGN, is not handed on to what is started.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda number, frame: None)
    lock, directory = int(sys.argv[2]), sys.argv[3]
    guardian = Guardian(socket.socket(fileno=int(sys.argv[1])), supervisor, lambda: os.utime(lock))
    try:
        guardian.serve()
    finally:
        guardian.kill_all()
        try:
            empty(directory)
        except OSError as error:
            sys.stderr.write(f"ckptrace: {error.filename}: cannot be deleted: {error.strerror}\n")
        else:
            # Nothing is left to be recognised by it. Nobody else holds it until this process has ended.
            with suppress(OSError):
                os.unlink(os.readlink(f"/proc/self/fd/{lock}"))


class Guardian:
    """Answers the supervisor's requests. ``beat`` is called now and then."""

    def __init__(self, channel: socket.socket, supervisor: int, beat: Callable[[], None]) -> None:
        self._channel = channel
        self._beat = beat
        self._supervisor = supervisor
        self._ended: dict[int, int] = {}
        self._started: set[int] = set()
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)
        with suppress(OSError):  # Where a sandbox forbids it, the closing of the channel tells of the end.
            self._poll.register(os.pidfd_open(supervisor), select.POLLIN)

    def serve(self) -> None:
        """Answer requests until nobody can make any more."""
        while os.getppid() == self._supervisor:
            ready = dict(self._poll.poll(int(HEARTBEAT * 1000)))
            self._reap()
            with suppress(OSError):
                self._beat()
            if not ready:
                continue
            if self._channel.fileno() not in ready:
                return
            try:
                data, rights, _, _ = self._channel.recvmsg(_LONGEST, socket.CMSG_SPACE(3 * 4))
            except OSError:
                return
            if not data:
                return
            descriptors = array.array("i")
            for _, _, part in rights:
                descriptors.frombytes(part[: len(part) - len(part) % descriptors.itemsize])
            answer = self._answer(json.loads(data), descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            try:
                self._channel.send(json.dumps(answer).encode())
            except OSError:
                return

    def kill_all(self, keep: int = -1) -> None:
        """Kill all that is below this process, except for the child ``keep``, and wait until it is gone.

        A process may start others while it is looked at; so they are stopped first, and looked for again.
        """
        deadline = time.monotonic() + _PATIENCE
        pause = 0.0005
        while time.monotonic() < deadline:
            self._reap()
            found = list(_below(os.getpid(), keep))
            if not found:
                return
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for process in found:
                    with suppress(OSError):
                        os.kill(process, number)
            time.sleep(pause)
            pause = min(2 * pause, 0.05)

    def _answer(self, request: dict[str, Any], descriptors: Sequence[int]) -> dict[str, Any]:
        kind = request["kind"]
        if kind == "start":
            return self._start(request, descriptors)
        if kind == "sweep":
            self.kill_all(keep=request["keep"])
            return {}
        return {"status": self._wait(request["pid"])}

    def _start(self, request: dict[str, Any], descriptors: Sequence[int]) -> dict[str, Any]:
        guardian = os.getpid()
        reader, writer = os.pipe()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(reader)
            os.close(writer)
            return {"errno": error.errno, "call": "fork"}
        if pid == 0:
            try:
                die_with(guardian)
                _become(request, descriptors)
            except OSError as error:
                os.write(writer, str(error.errno or errno.EIO).encode())
            finally:
                os._exit(127)
        os.close(writer)
        with open(reader, "rb") as said:
            refused = said.read()
        if refused:
            os.waitpid(pid, 0)
            return {"errno": int(refused), "call": "exec"}
        self._started.add(pid)
        return {"pid": pid}

    def _wait(self, pid: int) -> int | None:
        while pid in self._started and pid not in self._ended:
            try:
                self._note(*os.waitpid(-1, 0))
            except ChildProcessError:
                break
        self._started.discard(pid)
        return self._ended.pop(pid, None)

    def _reap(self) -> None:
        """Take in who has ended; of those that nobody asks for, nothing is kept."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                self._note(pid, status)

    def _note(self, pid: int, status: int) -> None:
        if pid in self._started:
            self._ended[pid] = status


def _become(request: dict[str, Any], descriptors: Sequence[int]) -> None:
    """In the forked process: become what is to be started."""
    channel, out, err = descriptors
    os.setsid()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        # Python ignores them, and what is ignored stays so.
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for ours, theirs in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(ours, theirs)
    os.set_inheritable(channel, True)
    os.chdir(request["directory"])
    words = request["words"]
    os.execvpe(words[0], words, request["environment"] | {request["channel"]: str(channel)})


def _below(process: int, keep: int) -> Iterator[int]:
    """All processes below one that have not ended, except for its child ``keep``; those below that are no exception."""
    waiting = [process]
    for each in waiting:
        for child in _children(each):
            waiting.append(child)
            if child != keep and not _has_ended(child):
                yield child


def _children(process: int) -> list[int]:
    found = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):
            with suppress(OSError), open(f"/proc/{process}/task/{thread}/children", encoding="ascii") as file:
                found += [int(child) for child in file.read().split()]
    return found


def _has_ended(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in b"ZX"
    except OSError:
        return True


if __name__ == "__main__":
    main()
