"""Carries a held call out and lets its caller go on, so that what became of it is known.

Calls that change names or attributes are made in the caller's place (``standing_in``): the same call, its paths as the
caller wrote them, relative to the caller's own directories, with its root, umask and rights. Their outcome is then
exact, flags included. Opened descriptors are handed in.

Other calls are made by the caller itself: those that move data or answer into its memory, and the opening of what may
keep whoever opens it waiting (a FIFO, a device), or of what no descriptor can be handed in for (``O_PATH``). Of these,
what is noted is what was so just before, which is the same as long as nobody else in the directory goes on meanwhile.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Callable
from typing import Any, Final

import msgspec

from simulator.filesystems import Attributes
from simulator.interposition import arguments
from simulator.interposition.listener import Held, Listener
from simulator.interposition.standing_in import Place, StandIn, system_call
from simulator.interposition.system_calls import Signature
from simulator.interposition.watching import Watched
from simulator.operations import AccessCheck, Open, Readdir, Readlink, Stat, Write

_HERE: Final = -100
"""AT_FDCWD."""
_EMPTY_PATH: Final = 0x1000
"""AT_EMPTY_PATH."""
_EFFECTIVE: Final = 0x200
"""AT_EACCESS."""
_WORD: Final = (1 << 64) - 1

_LONGEST_HOW: Final = 4096
"""openat2(2) takes a ``struct open_how`` of up to a page."""
_OPENING: Final = frozenset({"open", "creat", "openat", "openat2"})
_LONGEST_VALUE: Final = 1 << 16
"""XATTR_SIZE_MAX of linux/limits.h."""


class Outcome(msgspec.Struct, frozen=True):
    """What a call gave: a value, or the errno with which it failed. ``descriptor`` is the caller's new one, if any."""

    value: Any = None
    error: int = 0
    descriptor: int | None = None


class _Answer(msgspec.Struct):
    """What a call gave in the caller's place: a value or an errno; ``opened`` is ours, to be handed in."""

    value: int = 0
    error: int = 0
    opened: int | None = None


class _Prepared(msgspec.Struct):
    """A call with addresses and descriptors of this process. ``kept`` holds the memory that they point to."""

    number: int
    arguments: list[int]
    texts: list[bytes]
    directories: list[int | None]
    kept: list[Any]


class Carrier:
    """Carries the held calls of a job's ranks out. To be closed."""

    def __init__(self) -> None:
        self._stand_in = StandIn()
        self._lost: dict[int, tuple[int, tuple[int, ...], _Answer]] = {}

    def close(self) -> None:
        """Nothing more is to be carried out."""
        self._stand_in.close()
        for _, _, answer in self._lost.values():
            if answer.opened is not None:
                os.close(answer.opened)
        self._lost.clear()

    def repeats(self, listener: Listener, held: Held) -> bool:
        """Whether a call was carried out before, its answer lost to a signal; if so it is answered now.

        That happens with kernels before 5.19 only, which let a signal restart a call that has been received.
        """
        lost = self._lost.pop(held.thread, None)
        if lost is None:
            return False
        number, given, answer = lost
        if (number, given) == (held.number, held.arguments):
            self._give(listener, held, answer, close_on_exec=True)
            return True
        if answer.opened is not None:
            os.close(answer.opened)
        return False

    def carry_out(self, listener: Listener, held: Held, signature: Signature, watched: Watched) -> Outcome:
        """Carry out a held call that is about the watched directory, and let its caller go on.

        Raises CannotDo where nobody can stand in for the caller.
        """
        operation = watched.operation
        if isinstance(operation, Write) and held.arguments[2] > _WORD >> 1 and signature.name in ("write", "pwrite64"):
            listener.let_go(held)
            return Outcome(error=errno.EINVAL)
        if not signature.made_for_caller and not isinstance(operation, Stat | AccessCheck | Readlink | Readdir):
            listener.let_go(held)
            return _of_own(held, operation)
        try:
            texts = [arguments.text_at(held.thread, held.arguments[path.argument]) for path in signature.paths]
            here = any(_is_here(held, path.directory) for path in signature.paths)
            with Place(held.thread, here=here) as place:
                if not signature.made_for_caller:
                    outcome = self._stand_in(place, _looking(place, held, signature, operation, texts))
                    listener.let_go(held)
                    return outcome
                prepared = None if None in texts else _prepare(place, held, signature, texts)
                answer = None if prepared is None else self._stand_in(place, _making(signature.name, prepared))
        except ProcessLookupError:
            return Outcome(error=errno.EINTR)  # It died.
        if answer is None:
            # Its own call gives the error that the kernel has for it, or what only itself can get.
            listener.let_go(held)
            return Outcome()
        close_on_exec = isinstance(operation, Open) and bool(operation.flags & os.O_CLOEXEC)
        return self._give(listener, held, answer, close_on_exec)

    def _give(self, listener: Listener, held: Held, answer: _Answer, close_on_exec: bool) -> Outcome:
        """Let the caller have the answer; gives the outcome."""
        if answer.error:
            given = listener.refuse(held, answer.error)
        elif answer.opened is None:
            given = listener.answer(held, answer.value)
        else:
            theirs = listener.hand_in(held, answer.opened, close_on_exec)
            if theirs is not None:
                os.close(answer.opened)
                return Outcome(descriptor=theirs)
            given = False
        if not given:
            self._lost[held.thread] = (held.number, held.arguments, answer)
        return Outcome(error=answer.error)


def _is_here(held: Held, directory: int | None) -> bool:
    return directory is None or arguments.descriptor_of(held.arguments[directory]) == _HERE


def _prepare(place: Place, held: Held, signature: Signature, texts: list[bytes | None]) -> _Prepared | None:
    """The call as it is made here; None where something that it points to cannot be read."""
    prepared = _Prepared(held.number, list(held.arguments), [], [], [])
    given = prepared.arguments

    def keep(data: bytes, *, terminated: bool = True) -> int:
        buffer = ctypes.create_string_buffer(data, max(1, len(data) + terminated))
        prepared.kept.append(buffer)
        return ctypes.addressof(buffer)

    for path, text in zip(signature.paths, texts, strict=True):
        assert text is not None
        prepared.texts.append(_as_seen_from_here(text, place.process, held.thread))
        given[path.argument] = keep(prepared.texts[-1])
        directory = None if _is_here(held, path.directory) else place.descriptor(_directory(held, path.directory))
        prepared.directories.append(directory)
        if path.directory is not None and directory is not None:
            given[path.directory] = directory & _WORD
    for descriptor in signature.descriptors:
        given[descriptor] = place.descriptor(arguments.descriptor_of(held.arguments[descriptor])) & _WORD
    for text_argument in signature.texts:
        text = arguments.text_at(held.thread, held.arguments[text_argument])
        if text is None:
            return None
        given[text_argument] = keep(text)
    if signature.buffer is not None:
        at, size = signature.buffer
        limit = _LONGEST_HOW if signature.name == "openat2" else _LONGEST_VALUE
        if held.arguments[size] > limit:
            return None
        if held.arguments[at]:
            data = arguments.bytes_at(held.thread, held.arguments[at], held.arguments[size])
            if data is None:
                return None
            given[at] = keep(data, terminated=False)
    return prepared


def _directory(held: Held, directory: int | None) -> int:
    assert directory is not None
    return arguments.descriptor_of(held.arguments[directory])


def _making(name: str, prepared: _Prepared) -> Callable[[], _Answer | None]:
    """Makes the call; None where its caller must make it."""

    def make() -> _Answer | None:
        opens = name in _OPENING
        try:
            if opens and _must_be_opened_by_caller(name, prepared):
                return None
            value = system_call(prepared.number, *prepared.arguments)
        except OSError as error:
            return _Answer(error=error.errno or errno.EIO)
        if not opens:
            return _Answer(value)
        # The descriptor of ours is not to reach a program that is started meanwhile.
        os.set_inheritable(value, False)
        return _Answer(opened=value)

    return make


def _must_be_opened_by_caller(name: str, prepared: _Prepared) -> bool:
    """Whether opening it may take long, or gives what cannot be handed in. Raises OSError as opening it would."""
    given, change = list(prepared.arguments), None
    if name == "openat2":
        how = prepared.kept[-1]
        flags = struct.unpack_from("=Q", how)[0] if len(how) >= 8 else 0
        change = bytes(how)
        if len(how) >= 16 and not flags & os.O_PATH:
            struct.pack_into("=QQ", how, 0, os.O_PATH | flags & (os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC), 0)
    elif name == "creat":
        flags = os.O_CREAT
    else:
        at = 1 if name == "open" else 2
        flags = given[at]
        given[at] = os.O_PATH | flags & (os.O_NOFOLLOW | os.O_DIRECTORY)
    try:
        if name == "creat":
            found = os.open(prepared.texts[0], os.O_PATH)
        else:
            found = system_call(prepared.number, *given)
    except OSError:
        # It is not there, or not to be had: what follows says which, and cannot take long.
        if flags & os.O_PATH:
            raise
        return False
    finally:
        if change is not None:
            ctypes.memmove(prepared.kept[-1], change, len(change))
    try:
        mode = os.fstat(found).st_mode
    finally:
        os.close(found)
    if flags & os.O_PATH:
        return True
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))


def _as_seen_from_here(path: bytes, process: int, thread: int) -> bytes:
    """A path of a caller: what is its own in /proc is another's here."""
    for own, place in (
        (b"/proc/self/", b"/proc/%d/" % process),
        (b"/proc/thread-self/", b"/proc/%d/task/%d/" % (process, thread)),
        (b"/dev/fd/", b"/proc/%d/fd/" % process),
    ):
        if path.startswith(own):
            return place + path[len(own) :]
    return path


def _of_own(held: Held, operation: Any) -> Outcome:
    """What is known of a call on a descriptor that its caller makes."""
    return Outcome(len(operation.data)) if isinstance(operation, Write) else Outcome()


def _looking(
    place: Place, held: Held, signature: Signature, operation: Any, texts: list[bytes | None]
) -> Callable[[], Outcome]:
    """What a call that the caller makes will give, as it is now."""
    text, directory = None, None
    if signature.paths:
        path = signature.paths[0]
        text = _as_seen_from_here(texts[0] or b"", place.process, held.thread)
        if not _is_here(held, path.directory):
            directory = place.descriptor(_directory(held, path.directory))
    else:
        directory = place.descriptor(arguments.descriptor_of(held.arguments[signature.descriptors[0]]))

    def look() -> Outcome:
        try:
            if isinstance(operation, Stat):
                if not text and _may_be_empty(held, signature):
                    return Outcome(_attributes(os.stat(b"." if directory is None else directory)))
                found = os.stat(text or b"", dir_fd=directory, follow_symlinks=operation.follow)
                return Outcome(_attributes(found))
            if isinstance(operation, AccessCheck):
                effective = signature.name == "faccessat2" and bool(held.arguments[3] & _EFFECTIVE)
                return Outcome(os.access(text or b"", operation.mode, dir_fd=directory, effective_ids=effective))
            if isinstance(operation, Readlink):
                return Outcome(os.fsdecode(os.readlink(text or b"", dir_fd=directory)))
            assert directory is not None
            # The caller's own place in the directory is left where it is.
            again = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
            try:
                names = [
                    (name, os.stat(name, dir_fd=again, follow_symlinks=False).st_mode) for name in os.listdir(again)
                ]
            finally:
                os.close(again)
            return Outcome(tuple((name, mode & 0o170000, 0) for name, mode in sorted(names)))
        except OSError as error:
            return Outcome(error=error.errno or errno.EIO)

    return look


def _may_be_empty(held: Held, signature: Signature) -> bool:
    """Whether a stat without a path is one of its descriptor."""
    flags = {"newfstatat": 3, "statx": 2}.get(signature.name)
    return (flags is None and not signature.paths) or (flags is not None and bool(held.arguments[flags] & _EMPTY_PATH))


def _attributes(found: os.stat_result) -> Attributes:
    return Attributes(
        found.st_mode,
        found.st_ino,
        found.st_nlink,
        found.st_size,
        found.st_uid,
        found.st_gid,
        found.st_dev,
        found.st_atime_ns,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )
