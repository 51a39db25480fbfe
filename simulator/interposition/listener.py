"""The supervisor's end of a filter: what is about to be called, and what becomes of it. seccomp_unotify(2)."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from typing import Final

import msgspec

_NOTIFICATION: Final = struct.Struct("=QIIiIQ6Q")
"""``struct seccomp_notif``: id, pid, flags, then ``struct seccomp_data``: number, architecture, pointer, arguments."""
_RESPONSE: Final = struct.Struct("=QqiI")
"""``struct seccomp_notif_resp``: id, value, error, flags."""
_DESCRIPTOR: Final = struct.Struct("=QIIII")
"""``struct seccomp_notif_addfd``: id, flags, our descriptor, theirs, flags of theirs."""


def _request(direction: int, number: int, size: int) -> int:
    """The number of an ioctl: asm-generic/ioctl.h."""
    return direction << 30 | size << 16 | ord("!") << 8 | number


_RECEIVE: Final = _request(3, 0, _NOTIFICATION.size)
_SEND: Final = _request(3, 1, _RESPONSE.size)
_IS_VALID: Final = _request(1, 2, 8)
_ADD_DESCRIPTOR: Final = _request(1, 3, _DESCRIPTOR.size)
_SET_FLAGS: Final = _request(1, 4, 8)

_CONTINUE: Final = 1
_SEND_AT_ONCE: Final = 2
_SYNCHRONOUS_WAKE_UP: Final = 1


class Held(msgspec.Struct, frozen=True):
    """A system call that waits for its answer. ``thread`` is the caller's thread id, as this process sees it."""

    id: int
    thread: int
    number: int
    arguments: tuple[int, int, int, int, int, int]


class Listener:
    """One listener serves a process that put itself under a filter, its threads and their descendants."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        try:
            # The supervisor and the caller take turns, so both on one core is faster; since Linux 6.6.
            fcntl.ioctl(descriptor, _SET_FLAGS, _SYNCHRONOUS_WAKE_UP)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY):
                raise

    def fileno(self) -> int:
        """What ``poll`` needs: readable when a call waits, hung up when nobody is under the filter any more."""
        return self._descriptor

    def receive(self) -> Held | None:
        """The next call that waits; blocks for one. None where the caller died before it could be looked at."""
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self._descriptor, _RECEIVE, buffer)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        id_, thread, _, number, _, _, *arguments = _NOTIFICATION.unpack(buffer)
        return Held(id_, thread, number, tuple(arguments))

    def waits(self, held: Held) -> bool:
        """Whether the caller still waits.

        If so, what was read of its memory meanwhile was its own, and not that of another process with its number.
        """
        try:
            fcntl.ioctl(self._descriptor, _IS_VALID, held.id.to_bytes(8, "little"))
        except OSError:
            return False
        return True

    def let_go(self, held: Held) -> bool:
        """The call is carried out as it stands. Gives whether the caller still waited for it."""
        return self._send(held, 0, 0, _CONTINUE)

    def answer(self, held: Held, value: int = 0) -> bool:
        """The call is not carried out, and comes back with that value."""
        return self._send(held, value, 0, 0)

    def refuse(self, held: Held, number: int) -> bool:
        """The call is not carried out, and fails with that errno."""
        return self._send(held, 0, -number, 0)

    def hand_in(self, held: Held, descriptor: int, close_on_exec: bool) -> int | None:
        """The call is not carried out, and comes back with a descriptor of the caller's for what ours is open on.

        Gives the caller's number; None where it did not wait any more. Since Linux 5.14.
        """
        flags = os.O_CLOEXEC if close_on_exec else 0
        request = bytearray(_DESCRIPTOR.pack(held.id, _SEND_AT_ONCE, descriptor, 0, flags))
        try:
            return int(fcntl.ioctl(self._descriptor, _ADD_DESCRIPTOR, request))
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINPROGRESS):
                return None
            raise

    def close(self) -> None:
        """No more answers: calls that are held, and all later ones, fail with ENOSYS."""
        os.close(self._descriptor)

    def _send(self, held: Held, value: int, error: int, flags: int) -> bool:
        try:
            fcntl.ioctl(self._descriptor, _SEND, bytearray(_RESPONSE.pack(held.id, value, error, flags)))
        except OSError as refusal:
            if refusal.errno in (errno.ENOENT, errno.EINPROGRESS):
                return False
            raise
        return True
