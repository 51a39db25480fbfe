"""A process under the filter stops at its system calls, and goes on as the supervisor says."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simulator.interposition.arguments import descriptor_of, named, opened_on, text_at
from simulator.interposition.filter import install, program
from simulator.interposition.listener import Held, Listener
from simulator.interposition.system_calls import PASSED, SIGNATURES, signatures
from tests.interposition.kernel import holds

_PATIENCE = 20_000
"""Milliseconds."""


@contextmanager
def supervised(program_: Callable[[], None]) -> Iterator[Listener]:
    """A child that runs the function under the filter; after that, it has ended with exit code 0."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            socket.send_fds(theirs, [b"-"], [install(signatures())])
            program_()
            code = 0
        finally:
            os._exit(code)
    theirs.close()
    _, [descriptor], _, _ = socket.recv_fds(ours, 1, 1)
    listener = Listener(descriptor)
    try:
        yield listener
        while held := next_of(listener):
            listener.let_go(held)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        listener.close()
        ours.close()


def next_of(listener: Listener) -> Held | None:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    [(_, events)] = poll.poll(_PATIENCE)
    return listener.receive() if events & select.POLLIN else None


def until(listener: Listener, name: str, path: Path) -> Held:
    """The next call of that name about that path; all others go on."""
    known = signatures()
    while held := next_of(listener):
        signature = known[held.number]
        if signature.name.startswith(name) and os.fsencode(path) in paths_of(held):
            return held
        listener.let_go(held)
    raise AssertionError(f"no {name} of {path}")


def paths_of(held: Held) -> list[bytes | None]:
    signature = signatures()[held.number]
    return [
        named(
            held.thread,
            held.arguments[path.argument],
            None if path.directory is None else descriptor_of(held.arguments[path.directory]),
        )
        for path in signature.paths
    ]


@holds
def test_a_held_call_has_not_happened_until_it_is_let_go(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with supervised(lambda: os.rename(tmp_path / "a", tmp_path / "b")) as listener:
        held = until(listener, "rename", tmp_path / "a")
        assert paths_of(held) == [os.fsencode(tmp_path / "a"), os.fsencode(tmp_path / "b")]
        assert listener.waits(held)
        assert os.listdir(tmp_path) == ["a"]
        assert listener.let_go(held)
        assert not listener.waits(held)
    assert os.listdir(tmp_path) == ["b"]


@holds
def test_a_call_that_is_refused_fails_with_that_error_and_does_nothing(tmp_path: Path) -> None:
    def makes() -> None:
        with pytest.raises(OSError, match="No space left on device"):
            os.mkdir(tmp_path / "d")

    with supervised(makes) as listener:
        listener.refuse(until(listener, "mkdir", tmp_path / "d"), errno.ENOSPC)
    assert not os.listdir(tmp_path)


@holds
def test_a_call_can_be_answered_without_being_carried_out(tmp_path: Path) -> None:
    def makes() -> None:
        os.mkdir(tmp_path / "d")

    with supervised(makes) as listener:
        listener.answer(until(listener, "mkdir", tmp_path / "d"))
    assert not os.listdir(tmp_path)


@holds
def test_an_open_can_be_answered_with_a_descriptor_that_the_supervisor_opened(tmp_path: Path) -> None:
    def writes() -> None:
        descriptor = os.open(tmp_path / "asked for", os.O_CREAT | os.O_WRONLY)
        assert not os.get_inheritable(descriptor)
        os.write(descriptor, b"data")

    with supervised(writes) as listener:
        held = until(listener, "open", tmp_path / "asked for")
        opened = os.open(tmp_path / "given", os.O_CREAT | os.O_WRONLY)
        theirs = listener.hand_in(held, opened, close_on_exec=True)
        os.close(opened)
        assert theirs is not None
        assert opened_on(held.thread, theirs) == os.fsencode(tmp_path / "given")
    assert (tmp_path / "given").read_bytes() == b"data"


@holds
def test_threads_and_children_stop_as_well(tmp_path: Path) -> None:
    def has_both() -> None:
        thread = threading.Thread(target=lambda: os.mkdir(tmp_path / "thread's"))
        thread.start()
        thread.join()
        child = os.fork()
        if child == 0:
            os.mkdir(tmp_path / "child's")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0

    with supervised(has_both) as listener:
        first = until(listener, "mkdir", tmp_path / "thread's")
        listener.let_go(first)
        second = until(listener, "mkdir", tmp_path / "child's")
        listener.let_go(second)
        assert first.thread != second.thread


@holds
def test_threads_that_ran_before_the_filter_stop_as_well(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        armed = threading.Event()
        thread = threading.Thread(target=lambda: armed.wait() and os.mkdir(tmp_path / "d"))
        thread.start()
        socket.send_fds(theirs, [b"-"], [install(signatures())])
        armed.set()
        thread.join()
        os._exit(0)
    theirs.close()
    _, [descriptor], _, _ = socket.recv_fds(ours, 1, 1)
    listener = Listener(descriptor)
    listener.let_go(until(listener, "mkdir", tmp_path / "d"))
    while held := next_of(listener):
        listener.let_go(held)
    assert os.waitpid(child, 0)[1] == 0
    listener.close()
    ours.close()


@holds
def test_a_caller_that_dies_meanwhile_is_no_error(tmp_path: Path) -> None:
    def leaves_a_child() -> None:
        child = os.fork()
        if child == 0:
            os.mkdir(tmp_path / "d")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 9

    with supervised(leaves_a_child) as listener:
        held = until(listener, "mkdir", tmp_path / "d")
        os.kill(held.thread, 9)
        while listener.waits(held):
            pass
        assert not listener.let_go(held)
        assert not listener.refuse(held, errno.EIO)
        assert listener.hand_in(held, 0, close_on_exec=True) is None


def test_a_text_is_read_across_pages_and_to_the_end_of_what_is_mapped() -> None:
    import mmap

    memory = mmap.mmap(-1, 2 * mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    memory[mmap.PAGESIZE - 3 : mmap.PAGESIZE + 4] = b"abcdef\0"
    assert text_at(os.getpid(), address + mmap.PAGESIZE - 3) == b"abcdef"
    assert text_at(os.getpid(), 0) is None
    assert text_at(os.getpid(), 8) is None
    assert text_at(os.getpid(), 2**64 - 1) is None
    memory[:] = b"x" * len(memory)
    assert text_at(os.getpid(), address) == b"x" * 4097, "longer than any path"


def test_a_path_that_is_relative_to_a_descriptor_is_named_whole(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    text = ctypes.create_string_buffer(b"a/b")
    address = ctypes.addressof(text)
    assert named(os.getpid(), address, directory) == os.fsencode(tmp_path / "a/b")
    assert named(os.getpid(), address, -100) == os.fsencode(Path.cwd() / "a/b")
    assert named(os.getpid(), address, None) == os.fsencode(Path.cwd() / "a/b")
    os.close(directory)
    assert named(os.getpid(), address, directory) is None
    assert descriptor_of(0xFFFFFF9C) == -100


def _run(code: bytes, architecture: int, number: int, arguments: tuple[int, ...] = (0, 0, 0, 0, 0, 0)) -> int:
    """What classic BPF makes of a call, interpreted here."""
    instructions = list(struct.iter_unpack("=HBBI", code))
    data = struct.pack("=IIQ6Q", number, architecture, 0, *arguments)
    at, accumulator = 0, 0
    while True:
        kind, yes, no, operand = instructions[at]
        at += 1
        if kind == 0x20:
            accumulator = struct.unpack_from("=I", data, operand)[0]
        elif kind == 0x54:
            accumulator &= operand
        elif kind == 0x15:
            at += yes if accumulator == operand else no
        elif kind == 0x35:
            at += yes if accumulator >= operand else no
        else:
            assert kind == 0x06
            return operand  # type: ignore[no-any-return]


@pytest.mark.parametrize(("machine", "architecture"), [("x86_64", 0xC000003E), ("aarch64", 0xC00000B7)])
def test_the_filter_holds_what_it_names_and_nothing_else(machine: str, architecture: int) -> None:
    numbers = signatures(machine)
    code = program(machine, numbers)
    for number in range(600):
        unconditional = number in numbers and numbers[number].when is None
        assert _run(code, architecture, number) == (0x7FC00000 if unconditional else 0x7FFF0000)
    for number, signature in numbers.items():
        if (condition := signature.when) is None:
            continue
        for value in (*condition.values, 0, 0x22, 0x21 & ~condition.mask | condition.values[0]):
            given = tuple(value | 1 << 40 if n == condition.argument else 7 for n in range(6))
            held = value & condition.mask in condition.values
            assert _run(code, architecture, number, given) == (0x7FC00000 if held else 0x7FFF0000), signature.name
    assert _run(code, 0x40000003, 5) == 0x50000 | errno.ENOSYS, "a call of 32-bit code"
    if machine == "x86_64":
        assert _run(code, architecture, 0x40000000 | 2) == 0x50000 | errno.ENOSYS, "a call of x32 code"


def _numbers() -> dict[str, int]:
    """The calls of x86-64 by the kernel's headers."""
    headers = list(Path("/usr/include").rglob("asm/unistd_64.h"))
    if not headers:
        pytest.skip("the kernel's headers for this machine are not installed")
    lines = headers[0].read_text().splitlines()
    found = (line.split()[1:3] for line in lines if line.startswith("#define __NR_"))
    return {name.removeprefix("__NR_"): int(number) for name, number in found}


def test_numbers_are_those_of_the_kernels_headers() -> None:
    said = _numbers()
    for signature in SIGNATURES:
        assert signature.x86_64 == said.get(signature.name, signature.x86_64), signature.name


def test_every_call_is_held_or_has_a_reason_not_to_be() -> None:
    passed = [name for names in PASSED.values() for name in names.split()]
    decided = [signature.name for signature in SIGNATURES] + passed
    assert len(decided) == len(set(decided))
    assert not _numbers().keys() - set(decided)
