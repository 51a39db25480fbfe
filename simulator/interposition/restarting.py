"""A held call that a signal interrupts is restarted, as the kernel itself would have carried it out. signal(7).

A call that waits for the supervisor can be interrupted: until the supervisor has received it always, and afterwards on
kernels before 5.19, which lack ``SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV``. With a handler that was installed without
``SA_RESTART``, as CPython's are, it would fail with EINTR, which rename(2), say, never does. So every handler is
installed with that flag, which makes the kernel restart what it interrupts; and where the handler returns from a call
that the kernel itself interrupts (a read from a pipe, wait4), the frame on its stack is made to say EINTR after all.

``rt_sigaction`` and ``rt_sigreturn`` are held for that, for no longer than it takes. Who asks for a
handler gets what was given; who exchanges one for another gets it with a bit that has no meaning to the kernel but for
faults on arm64, by which it is known when it is put back.
"""

from __future__ import annotations

import errno
import os
import platform
import stat
import struct
from collections.abc import Mapping
from typing import Final

import msgspec

from simulator.interposition import arguments
from simulator.interposition.listener import Held
from simulator.interposition.memory import Unreadable, memory_of
from simulator.interposition.system_calls import SIGNALS, Signature, signatures
from simulator.interposition.target.ckptrace_arming import SA_EXPOSE_TAGBITS, SA_RESTART, SA_SIGINFO, SIZE_OF_ACTION
from simulator.interposition.threads import parent_of, process_of

_DEFAULT_OR_IGNORED: Final = frozenset({0, 1})
"""SIG_DFL and SIG_IGN."""

_INTERRUPTIBLE: Final = {
    "x86_64": frozenset(
        {0, 19, 17, 295, 61, 247, 42, 43, 288, 44, 45, 46, 47, 299, 307, 202, 16, 318, 276, 278, 242, 243}
    ),
    "aarch64": frozenset(
        {63, 65, 67, 69, 260, 95, 203, 202, 242, 206, 207, 211, 212, 243, 269, 98, 29, 278, 77, 75, 182, 183}
    ),
}
"""Calls that are not held and that a handler without ``SA_RESTART`` interrupts where they wait, by signal(7).

read, readv, pread64, preadv, wait4, waitid, connect, accept, accept4, sendto, recvfrom, sendmsg, recvmsg, recvmmsg,
sendmmsg, futex, ioctl, getrandom, tee, vmsplice, mq_timedsend, mq_timedreceive. Those that always fail with EINTR
(poll, nanosleep) never come here; those that are always restarted (clone) must not be among them.
"""


class _Frame(msgspec.Struct, frozen=True):
    """Where things are from the stack pointer on at rt_sigreturn: struct rt_sigframe of arch/*/kernel/signal.c."""

    signal: int
    arguments: tuple[int, ...]
    number: int
    result: int
    at: int
    call: bytes
    """The instruction that makes a system call."""


_FRAMES: Final = {
    "x86_64": _Frame(304, (104, 112, 136, 56, 40, 48), 144, 144, 168, b"\x0f\x05"),
    "aarch64": _Frame(0, (312, 320, 328, 336, 344, 352), 376, 312, 568, b"\x01\x00\x00\xd4"),
}


class Handlers:
    """The signal handlers of a rank's processes that did not ask for calls to be restarted.

    ``known`` are those that were installed before the filter was: the kernel's ``struct sigaction`` of each signal.
    """

    def __init__(self, process: int, known: Mapping[int, bytes]) -> None:
        self._machine = platform.machine()
        self._actions = {process: dict(known)}
        self._locking: set[int] = set()

    def let_go(self, held: Held, signature: Signature) -> None:
        """A call that is not about signals goes on: of one that waits for a lock, it is kept that it was begun."""
        if signature.name in ("flock", "fcntl"):
            self._locking.add(held.thread)
        else:
            self._locking.discard(held.thread)

    def take(self, held: Held, signature: Signature) -> bool:
        """Do what is to be done before a call goes on that is about signals; gives whether that was all of it."""
        assert signature.name in SIGNALS
        try:
            if signature.name == "rt_sigaction":
                return self._install(held)
            self._return(held)
        except (Unreadable, OSError):
            pass  # The caller is gone, or the call will fail by itself.
        return False

    def _install(self, held: Held) -> bool:
        number, action, before = arguments.descriptor_of(held.arguments[0]), held.arguments[1], held.arguments[2]
        actions = self._actions_of(process_of(held.thread) or held.thread)
        with memory_of(held.thread, writable=True) as memory:
            if not action:
                if number not in actions or not before:
                    return False
                memory.write(before, actions[number])
                return True
            asked = memory.bytes(action, SIZE_OF_ACTION)
            handler, flags = struct.unpack_from("=QQ", asked)
            if handler in _DEFAULT_OR_IGNORED or (flags & SA_RESTART and not flags & SA_EXPOSE_TAGBITS):
                actions.pop(number, None)
                return False
            given = flags & ~(SA_RESTART | SA_EXPOSE_TAGBITS)
            actions[number] = asked[:8] + struct.pack("=Q", given) + asked[16:]
            # With the last one, the frame names the signal.
            memory.write(action + 8, struct.pack("=Q", flags | SA_RESTART | SA_EXPOSE_TAGBITS | SA_SIGINFO))
        return False

    def _return(self, held: Held) -> None:
        frame = _FRAMES[self._machine]
        with open(f"/proc/{held.thread}/syscall", encoding="ascii") as file:
            stack = int(file.read().split()[7], 16)
        with memory_of(held.thread, writable=True) as memory:
            signal = struct.unpack("=i", memory.bytes(stack + frame.signal, 4))[0]
            if signal not in self._actions_of(process_of(held.thread) or held.thread):
                return
            at = memory.word(stack + frame.at)
            if memory.bytes(at, len(frame.call)) != frame.call:
                return
            number = memory.word(stack + frame.number)
            given = [memory.word(stack + place) for place in frame.arguments]
            if self._would_be_interrupted(held.thread, number, given):
                memory.write(stack + frame.result, struct.pack("=q", -errno.EINTR))
                memory.write(stack + frame.at, struct.pack("=Q", at + len(frame.call)))

    def _would_be_interrupted(self, thread: int, number: int, given: list[int]) -> bool:
        """Whether the kernel, with nobody holding anything, could have interrupted that call."""
        signature = signatures(self._machine).get(number)
        if signature is None:
            return number in _INTERRUPTIBLE[self._machine]
        if signature.name in ("flock", "fcntl"):
            return thread in self._locking
        if signature.name in ("open", "openat", "openat2"):
            path = signature.paths[0]
            directory = None if path.directory is None else arguments.descriptor_of(given[path.directory])
            named = arguments.named(thread, given[path.argument], directory)
            return named is not None and _is_fifo(named)
        return any(_waits(thread, arguments.descriptor_of(given[each])) for each in signature.descriptors)

    def _actions_of(self, process: int) -> dict[int, bytes]:
        """A process that is not known was forked from one that is, or from one that was, and has its handlers."""
        known = self._actions.get(process)
        if known is None:
            parent = parent_of(process)
            known = self._actions[process] = dict(self._actions.get(parent, {}) if parent is not None else {})
        return known


def _is_fifo(path: bytes) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False


def _waits(thread: int, descriptor: int) -> bool:
    """Whether a write to that descriptor can wait for somebody: a pipe, a socket, a terminal."""
    try:
        mode = os.stat(f"/proc/{thread}/fd/{descriptor}").st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode))
