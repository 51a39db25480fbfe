"""Puts this process under the filter, at once or at the first event that is about the watched directory.

What to do comes in the environment: ``CKPTRACE_CHANNEL``, a descriptor on which the listener is sent to the
supervisor; ``CKPTRACE_FILTER``, the filter's instructions in hexadecimal digits; ``CKPTRACE_SECCOMP``, the number of
seccomp(2) on this machine; ``CKPTRACE_WATCH``, the watched directory by all its names, separated by ``:`` with a
backslash before a colon of a name; ``CKPTRACE_ARM``, ``start`` or ``late``.
"""

from __future__ import annotations

import array
import ctypes
import errno
import functools
import os
import re
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
SET_MODE_FILTER = 1
TSYNC = 1
NEW_LISTENER = 8
TSYNC_ESRCH = 16
WAIT_KILLABLE_RECV = 32
SA_SIGINFO = 4
SA_EXPOSE_TAGBITS = 0x800
SA_RESTART = 0x10000000
SIZE_OF_ACTION = 32
RT_SIGACTION = {"x86_64": 13, "aarch64": 134}

# The audit events that name a file, by the arguments that do: what they say of the rest comes too late or too often.
_EVENTS = {
    "open": (0,),
    "os.chmod": (0,),
    "os.chown": (0,),
    "os.link": (0, 1),
    "os.listdir": (0,),
    "os.mkdir": (0,),
    "os.remove": (0,),
    "os.removexattr": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.scandir": (0,),
    "os.setxattr": (0,),
    "os.symlink": (1,),
    "os.truncate": (0,),
    "os.utime": (0,),
    "shutil.rmtree": (0,),
    "socket.bind": (1,),
    "shutil.move": (0, 1),
    "shutil.copyfile": (0, 1),
}
# Functions on paths that raise no audit event.
_LOOKS = ("access", "lstat", "mkfifo", "mknod", "readlink", "stat")
# So often the main thread sleeps before it counts as one that looks again and again for what another rank does.
_SLEEPS = 3
_LONGEST = 8192
_MEETING = "torch.distributed.distributed_c10d"
_MEET = "init_process_group"


class CannotArm(Exception):
    """The kernel or a sandbox does not allow a filter; the text says why."""


def install(number: int, code: bytes) -> int:
    """Put the whole process under the filter ``code``; gives the listener. ``number`` is that of seccomp(2)."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise CannotArm(_refusal("prctl(PR_SET_NO_NEW_PRIVS)"))
    instructions = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    # A signal must not make a held call start anew; kernels before 5.19 do not know the last flag.
    for more in (WAIT_KILLABLE_RECV, 0):
        flags = NEW_LISTENER | TSYNC | TSYNC_ESRCH | more
        listener = library.syscall(number, SET_MODE_FILTER, flags, header)
        if listener >= 0:
            return int(listener)
        if ctypes.get_errno() != errno.EINVAL:
            break
    raise CannotArm(_refusal("seccomp(SECCOMP_SET_MODE_FILTER)"))


def make_restarting() -> dict[int, bytes]:
    """Let no handler of this process make a held call fail; gives the actions of the signals whose handlers would have.

    See ``interposition.restarting``, which does so with those that are installed later.
    """
    library = ctypes.CDLL(None, use_errno=True)
    number = RT_SIGACTION[os.uname().machine]
    changed = {}
    for each in signal.valid_signals():
        # struct sigaction of the kernel: the handler, flags, the restorer, the mask.
        action = ctypes.create_string_buffer(SIZE_OF_ACTION)
        if library.syscall(number, int(each), None, action, 8):
            continue
        handler, flags = struct.unpack_from("=QQ", action)
        if handler in (signal.SIG_DFL, signal.SIG_IGN) or flags & SA_RESTART:
            continue
        before = action.raw
        struct.pack_into("=Q", action, 8, flags | SA_RESTART | SA_EXPOSE_TAGBITS | SA_SIGINFO)
        if not library.syscall(number, int(each), action, None, 8):
            changed[int(each)] = before
    return changed


def die_with(parent: int) -> None:
    """Let the kernel kill this process when ``parent``, which has started it, ends for whatever reason."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _refusal(call: str) -> str:
    number = ctypes.get_errno()
    reason = {
        errno.EBUSY: "another supervisor holds the calls of this process already",
        errno.ESRCH: "a thread of this process is under another filter",
    }.get(number, os.strerror(number))
    return f"system calls cannot be held here: {call}: {reason}"


class Arming:
    """Arms one process, once. A child that is forked afterwards is under its parent's filter."""

    def __init__(self, environment: MutableMapping[str, str], when_armed: Callable[[], None] = lambda: None) -> None:
        self._when_armed = when_armed
        self._channel = int(environment["CKPTRACE_CHANNEL"])
        self._code = bytes.fromhex(environment["CKPTRACE_FILTER"])
        self._number = int(environment["CKPTRACE_SECCOMP"])
        names = re.findall(r"((?:[^:\\]|\\.)+)", environment["CKPTRACE_WATCH"])
        self._watched = tuple(re.sub(r"\\(.)", r"\1", name) for name in names)
        self._late = environment["CKPTRACE_ARM"] == "late"
        self._lock = threading.RLock()
        self._begun = False
        self._done = False
        self._meeting: Any = None
        self._sleeps = 0

    def begin(self) -> None:
        """Arm now, or when the time has come."""
        if self._late:
            sys.addaudithook(self._audited)
            for name in _LOOKS:
                self._wait_for_a_look(name)
            self._wait_for_sleeps()
            self._wait_for_a_meeting()
        else:
            self.arm("the start")

    def arm(self, reason: str) -> None:
        """Arm now. Another thread that comes to it meanwhile waits: what it is about to do is to be held."""
        with self._lock:
            if self._begun:
                return
            self._begun = True
            interrupting = " ".join(f"{each}:{action.hex()}" for each, action in make_restarting().items())
            try:
                listener = install(self._number, self._code)
            except CannotArm as refusal:
                self._send(b"!" + str(refusal).encode(), [])
                return
            finally:
                self._done = True
            said = f"={interrupting}={reason}"
            self._send(said.encode("utf-8", "surrogateescape")[:_LONGEST], [listener])
            os.close(listener)
            self._when_armed()

    def _send(self, message: bytes, descriptors: Sequence[int]) -> None:
        with socket.socket(fileno=os.dup(self._channel)) as channel:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
            channel.sendmsg([message], rights)
        os.close(self._channel)

    def _audited(self, event: str, arguments: Sequence[Any]) -> None:
        if self._done:
            return
        if event == "import":
            self._wait_for_a_meeting()
            return
        places = _EVENTS.get(event)
        if places is not None:
            for place in places:
                if place < len(arguments) and self._is_watched(arguments[place]):
                    self.arm(event)
                    return

    def _wait_for_sleeps(self) -> None:
        """Arm when the main thread sleeps again and again: no supervisor could tell when it is done otherwise."""
        original = time.sleep

        def sleep(*arguments: Any, **named: Any) -> None:
            if not self._done and threading.current_thread() is threading.main_thread():
                self._sleeps += 1
                if self._sleeps == _SLEEPS:
                    self.arm("time.sleep")
            original(*arguments, **named)

        time.sleep = _StandIn(original, sleep)

    def _wait_for_a_look(self, name: str) -> None:
        """Arm when the program looks at something in the watched directory: what it finds may depend on the others.

        A look at the directory itself, which was there before any rank, as scripts take one early on, does not count.
        """
        original = getattr(os, name)

        def look(*arguments: Any, **named: Any) -> Any:
            if not self._done:
                path = arguments[0] if arguments else named.get("path")
                if self._is_watched(path, itself=False):
                    self.arm(name)
            return original(*arguments, **named)

        stand_in = _StandIn(original, look)
        setattr(os, name, stand_in)
        # shutil, for one, asks whether the function of that name can do with a descriptor.
        for able in (os.supports_dir_fd, os.supports_effective_ids, os.supports_fd, os.supports_follow_symlinks):
            if original in able:
                able.add(stand_in)

    def _is_watched(self, path: Any, *, itself: bool = True) -> bool:
        if isinstance(path, int) or path is None:
            return False
        try:
            absolute = os.path.abspath(os.fsdecode(path))
        except (TypeError, ValueError, OSError):
            return False
        return any((itself and absolute == watched) or absolute.startswith(watched + "/") for watched in self._watched)

    def _wait_for_a_meeting(self) -> None:
        """Arm when the ranks are about to meet: what they do after that may depend on each other."""
        module = sys.modules.get(_MEETING)
        original = getattr(module, _MEET, None)
        if original is None or self._meeting is not None:
            return
        self._meeting = original

        def init_process_group(*arguments: Any, **named: Any) -> Any:
            self.arm("init_process_group")
            return original(*arguments, **named)

        init_process_group.__doc__ = original.__doc__
        for holder in (module, sys.modules.get("torch.distributed")):
            if getattr(holder, _MEET, None) is original:
                setattr(holder, _MEET, init_process_group)


class _StandIn:
    """Stands for a built-in function, and like one does not become a method of a class that keeps it as an attribute.

    CPython's pathlib kept ``os.stat`` in that way up to 3.10.
    """

    def __init__(self, original: Callable[..., Any], called: Callable[..., Any]) -> None:
        self._called = called
        functools.update_wrapper(self, original)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._called(*arguments, **named)


def begin(environment: MutableMapping[str, str] | None = None) -> None:
    """Arm this process as the environment says; what is said there is taken out of it."""
    environment = os.environ if environment is None else environment
    if "CKPTRACE_CHANNEL" not in environment:
        return
    # Here, since the supervisor, which has the filter from this file, has no such modules.
    import ckptrace_meetings
    import ckptrace_saying
    import ckptrace_sources

    def when_armed() -> None:
        ckptrace_saying.armed()
        ckptrace_sources.describe()

    ckptrace_meetings.watch()
    ckptrace_sources.begin()
    arming = Arming(environment, when_armed)
    for name in [name for name in environment if name.startswith("CKPTRACE_")]:
        del environment[name]
    arming.begin()
