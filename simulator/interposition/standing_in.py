"""A thread that makes calls in a caller's place: with its root, current directory, umask, identity and capabilities.

On Linux all of these belong to a thread, as far as the kernel is concerned; the C library's wrappers make one process
of them (nptl(7)), so the system calls are made without them. What the supervisor may not take on, as it is not
privileged or the caller is in namespaces of its own, is refused with a reason. No caller can make the supervisor wait:
a call that does not return is given up, and its thread with it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import threading
from collections.abc import Callable
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

import msgspec

from simulator.errors import CannotDo
from simulator.interposition.threads import status_of

_CALLS: Final = {
    "x86_64": {"setgroups": 116, "setresuid": 117, "setresgid": 119, "setfsuid": 122, "setfsgid": 123, "capset": 126,
               "chroot": 161, "unshare": 272, "pidfd_getfd": 438},
    "aarch64": {"setgroups": 159, "setresuid": 147, "setresgid": 149, "setfsuid": 151, "setfsgid": 152, "capset": 91,
                "chroot": 51, "unshare": 97, "pidfd_getfd": 438},
}  # fmt: skip
_CLONE_FS: Final = 0x200
_CAPABILITY_VERSION: Final = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3 of linux/capability.h."""
_SECONDS: Final = 30.0
"""For so long a call may take."""

_LIBRARY: Final = ctypes.CDLL(None, use_errno=True)

T = TypeVar("T")


def system_call(number: int, *arguments: int) -> int:
    """A system call of this thread, past the C library. Raises OSError."""
    ctypes.set_errno(0)
    value = int(_LIBRARY.syscall(ctypes.c_long(number), *(ctypes.c_ulong(argument) for argument in arguments)))
    if value == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return value


class Identity(msgspec.Struct, frozen=True):
    """Whose rights a thread has: credentials(7), capabilities(7). Each of real, effective, saved, file system's."""

    users: tuple[int, ...]
    groups: tuple[int, ...]
    supplementary: tuple[int, ...]
    effective: int
    permitted: int


class Place:
    """Where a caller's calls are made. To be closed, or used in ``with``.

    ``here``: whether a path is relative to the current directory. Raises CannotDo where nobody can stand in for it.
    """

    def __init__(self, thread: int, *, here: bool) -> None:
        self.thread = thread
        status = status_of(thread)
        if status is None:
            raise ProcessLookupError
        self.process = int(status["Tgid"])
        self.umask = int(status["Umask"], 8)
        self.identity = _identity(status)
        for namespace in ("user", "mnt"):
            if os.stat(f"/proc/{thread}/ns/{namespace}").st_ino != _namespace(namespace):
                raise CannotDo(
                    f"a process of the program is in a {'mount' if namespace == 'mnt' else 'user'} namespace of its "
                    "own (unshare, a sandbox): its calls cannot be held"
                )
        root = os.stat(f"/proc/{thread}/root/.")
        self.root = (
            None
            if (root.st_dev, root.st_ino) == _own_root()
            else os.open(f"/proc/{thread}/root/.", os.O_PATH | os.O_CLOEXEC)
        )
        self.here = os.open(f"/proc/{thread}/cwd", os.O_PATH | os.O_CLOEXEC) if here else None
        self._opened = [each for each in (self.root, self.here) if each is not None]

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._opened:
            os.close(descriptor)
        self._opened.clear()

    def descriptor(self, theirs: int) -> int:
        """A descriptor of ours for what the caller's is open on, as long as the place is; -1 where it has none."""
        handle = os.pidfd_open(self.process)
        try:
            ours = system_call(_number("pidfd_getfd"), handle, theirs, 0)
        except PermissionError as error:
            raise CannotDo(f"the descriptors of a process of the program cannot be had: {error.strerror}") from error
        except OSError:
            return -1
        finally:
            os.close(handle)
        self._opened.append(ours)
        return ours


class StandIn:
    """Makes calls in the place of callers, one after the other, in a thread of its own."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[Place, Callable[[], Any]] | None] | None = None
        self._answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def __call__(self, place: Place, function: Callable[[], T]) -> T:
        """What the function gives, called there. Raises what it raises, and CannotDo where it does not return."""
        if self._asked is None:
            self._asked = SimpleQueue()
            self._answers = SimpleQueue()
            self._thread = threading.Thread(target=_serve, args=(self._asked, self._answers), daemon=True)
            self._thread.start()
        self._asked.put((place, function))
        try:
            value, error = self._answers.get(timeout=_SECONDS)
        except Empty:
            self._asked = self._thread = None
            raise CannotDo(
                f"a call that was made in the place of a rank does not return within {_SECONDS:g} s"
            ) from None
        if error is not None:
            raise error
        result: T = value
        return result

    def close(self) -> None:
        """Nothing more is to be done."""
        if self._asked is not None:
            self._asked.put(None)
            self._asked = None
        if self._thread is not None:
            self._thread.join(_SECONDS)
            self._thread = None


def _serve(
    asked: SimpleQueue[tuple[Place, Callable[[], Any]] | None], answers: SimpleQueue[tuple[Any, BaseException | None]]
) -> None:
    own = os.open("/", os.O_PATH | os.O_CLOEXEC)
    try:
        system_call(_number("unshare"), _CLONE_FS)
        while (request := asked.get()) is not None:
            place, function = request
            try:
                _enter(place, own)
                try:
                    answer: tuple[Any, BaseException | None] = (function(), None)
                finally:
                    _leave(place, own)
            except BaseException as error:
                answer = (None, error)
            answers.put(answer)
    finally:
        os.close(own)


def _enter(place: Place, own: int) -> None:
    os.umask(place.umask)
    try:
        if place.root is not None:
            os.fchdir(place.root)
            os.chroot(".")
        if place.here is not None:
            os.fchdir(place.here)
        if place.identity != _own_identity():
            _become(place.identity)
    except PermissionError as error:
        _leave(place, own)
        raise CannotDo(
            f"a process of the program has another user, root or capabilities than ckptrace, which may not take them "
            f"on for its calls: {error.strerror}"
        ) from error


def _leave(place: Place, own: int) -> None:
    if place.identity != _own_identity():
        _become(_own_identity(), back=True)
    if place.root is not None:
        os.fchdir(own)
        os.chroot(".")
    if place.here is not None:
        os.fchdir(own)


def _become(identity: Identity, *, back: bool = False) -> None:
    """Take on an identity, with the way back left open: the saved user stays, and what is permitted."""
    own = _own_identity()
    if back:
        _set_effective(own.permitted)
        system_call(_number("setresuid"), *own.users[:3])
    groups = (ctypes.c_uint32 * len(identity.supplementary))(*identity.supplementary)
    if identity.supplementary != own.supplementary or back:
        system_call(_number("setgroups"), len(groups), ctypes.addressof(groups))
    saved = own.users[2]
    system_call(_number("setresgid"), *identity.groups[:3])
    system_call(_number("setfsgid"), identity.groups[3])
    if not back:
        system_call(_number("setresuid"), *identity.users[:2], saved)
    system_call(_number("setfsuid"), identity.users[3])
    _set_effective(own.effective if back else identity.effective & own.permitted)


def _set_effective(effective: int) -> None:
    permitted = _own_identity().permitted
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0), 8)
    low, high = 0xFFFFFFFF, 32
    sets = struct.pack("=6I", effective & low, permitted & low, 0, effective >> high & low, permitted >> high & low, 0)
    data = ctypes.create_string_buffer(sets, len(sets))
    system_call(_number("capset"), ctypes.addressof(header), ctypes.addressof(data))


def _identity(status: dict[str, str]) -> Identity:
    def numbers(name: str) -> tuple[int, ...]:
        return tuple(int(word) for word in status[name].split())

    supplementary = tuple(sorted(numbers("Groups")))
    return Identity(numbers("Uid"), numbers("Gid"), supplementary, int(status["CapEff"], 16), int(status["CapPrm"], 16))


@cache
def _own_identity() -> Identity:
    status = status_of(os.getpid())
    assert status is not None
    return _identity(status)


@cache
def _own_root() -> tuple[int, int]:
    root = os.stat("/")
    return root.st_dev, root.st_ino


@cache
def _namespace(name: str) -> int:
    return os.stat(f"/proc/self/ns/{name}").st_ino


def _number(name: str) -> int:
    return _CALLS[platform.machine()][name]
