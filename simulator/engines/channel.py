"""Messages between the controller, the template and the workers: pickled values over a pair of sockets."""

from __future__ import annotations

import pickle
import select
import socket
import struct
from typing import Any, Final

_HEADER: Final = struct.Struct("!Q")


class Gone(Exception):
    """The other end of a channel has been closed, or the process that is to answer has died."""


class Silent(Exception):
    """No message has come in the time given."""


class Channel:
    """One end of a pair of connected sockets. Nobody else may read or write it."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._poll = select.poll()
        self._poll.register(end, select.POLLIN)
        self._death = -1

    @classmethod
    def pair(cls) -> tuple[Channel, socket.socket]:
        """A channel, and the end that the other process makes its own channel of."""
        ours, theirs = socket.socketpair()
        return cls(ours), theirs

    def fileno(self) -> int:
        """What ``select`` needs to wait for messages on several channels."""
        return self._socket.fileno()

    def watch(self, death: int) -> None:
        """Besides messages, wait for a process's end as well: ``death`` is its pidfd, which the channel will close.

        A process that was started by the other end may hold that open, so that its closing tells too little.
        """
        self._death = death
        self._poll.register(death, select.POLLIN)

    def send(self, message: Any) -> None:
        """Send a value. Raises Gone, and what pickling raises for a value that cannot be sent."""
        self.send_bytes(dumps(message))

    def send_bytes(self, data: bytes) -> None:
        """Send a value that has been pickled by ``dumps``. Raises Gone."""
        try:
            self._socket.sendall(_HEADER.pack(len(data)) + data)
        except OSError as error:
            raise Gone(str(error)) from error

    def receive(self, seconds: float | None = None) -> Any:
        """The next message. Raises Gone, and Silent when none has come within ``seconds``."""
        ready = self._poll.poll(None if seconds is None else max(0, int(seconds * 1000)))
        if not ready:
            raise Silent
        if all(descriptor == self._death for descriptor, _ in ready):
            raise Gone("the process has died")
        try:
            size = _HEADER.unpack(self._exactly(_HEADER.size))[0]
            return pickle.loads(self._exactly(size))
        except OSError as error:
            raise Gone(str(error)) from error

    def send_end(self, end: socket.socket) -> None:
        """Hand an end of another pair over; the other side takes it by ``receive_end``. Raises Gone."""
        try:
            socket.send_fds(self._socket, [b"\0"], [end.fileno()])
        except OSError as error:
            raise Gone(str(error)) from error

    def receive_end(self) -> socket.socket:
        """Take what the other side has handed over. Raises Gone."""
        data, descriptors, _, _ = socket.recv_fds(self._socket, 1, 1)
        if not data:
            raise Gone("closed")
        return socket.socket(fileno=descriptors[0])

    def close(self) -> None:
        """Close this end; may be called twice."""
        self._socket.close()
        if self._death >= 0:
            socket.close(self._death)
            self._death = -1

    def _exactly(self, size: int) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            count = self._socket.recv_into(view)
            if not count:
                raise Gone("closed")
            view = view[count:]
        return data


def dumps(value: Any) -> bytes:
    """A value as bytes; classes and functions that only exist inside a function are sent by what they consist of.

    Raises whatever pickling raises, which is not only PicklingError.
    """
    try:
        return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:
        from multiprocess.reduction import ForkingPickler

        return bytes(ForkingPickler.dumps(value))
