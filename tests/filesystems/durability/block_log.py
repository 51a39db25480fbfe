"""A disk that logs what is written to it: the one file of a FUSE file system, under a loop device.

The protocol is that of Linux' ``include/uapi/linux/fuse.h``; a file system can be mounted whose root is a file. The
server is a process of its own (``python block_log.py IMAGE LOG MOUNTPOINT``), since whoever waits for a disk cannot
serve it. The log is a file: a header (offset, length) and the bytes for each write, a length of 0 for a flush.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

IN, OUT, HEADER = struct.Struct("<IIQQIIIHH"), struct.Struct("<IiQ"), struct.Struct("<QI")
READ_OR_WRITE = struct.Struct("<QQIIQII")
ATTRIBUTES = struct.Struct("<QQQQQQIIIIIIIIII")
MOST = 1 << 17
"""Bytes of one write at most."""
KEEP_CACHE = 2


class Opcode(IntEnum):
    """What the kernel asks for, as far as anybody asks it of this file."""

    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    OPEN = 14
    READ = 15
    WRITE = 16
    RELEASE = 18
    FSYNC = 20
    FLUSH = 25
    INIT = 26
    INTERRUPT = 36


class Flushed(NamedTuple):
    """All that was written before is on the disk."""


class Written(NamedTuple):
    """Bytes that were written."""

    offset: int
    data: bytes


Entry = Flushed | Written


def entries(log: Path) -> list[Entry]:
    """What a log says, in order."""
    raw, found, position = log.read_bytes(), list[Entry](), 0
    while position < len(raw):
        offset, length = HEADER.unpack_from(raw, position)
        position += HEADER.size
        found.append(Written(offset, raw[position : position + length]) if length else Flushed())
        position += length
    return found


@contextmanager
def logging_disk(image: Path, log: Path) -> Iterator[Path]:
    """A file that is the image, and logs what is written to it."""
    place = image.with_name(image.name + "-logged")
    place.touch()
    log.touch()
    server = subprocess.Popen([sys.executable, __file__, image, log, place], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == b"mounted\n"
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
        server.communicate()
        place.unlink()


class Server:
    """Answers the requests of the kernel."""

    def __init__(self, image: str, log: str) -> None:
        self.image = os.open(image, os.O_RDWR)
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND)
        self.size = os.fstat(self.image).st_size

    def attributes(self) -> bytes:
        """Of the one file."""
        return ATTRIBUTES.pack(1, self.size, self.size >> 9, 0, 0, 0, 0, 0, 0, 0o100600, 1, 0, 0, 0, 4096, 0)

    def answer(self, opcode: int, body: bytes) -> bytes | int:
        """The answer, or an errno."""
        match opcode:
            case Opcode.INIT:
                major, minor, ahead, _ = struct.unpack_from("<IIII", body)
                return struct.pack(
                    "<IIIIHHIIHHII24x", major, min(minor, 31), ahead, 1 << 5, 64, 48, MOST, 1, 0, 0, 0, 0
                )
            case Opcode.GETATTR | Opcode.SETATTR:
                return struct.pack("<QII", 1 << 30, 0, 0) + self.attributes()
            case Opcode.OPEN:
                return struct.pack("<QIi", 0, KEEP_CACHE, 0)
            case Opcode.READ:
                _, offset, size, *_ = READ_OR_WRITE.unpack_from(body)
                return os.pread(self.image, size, offset)
            case Opcode.WRITE:
                _, offset, size, *_ = READ_OR_WRITE.unpack_from(body)
                data = body[READ_OR_WRITE.size : READ_OR_WRITE.size + size]
                os.pwrite(self.image, data, offset)
                os.write(self.log, HEADER.pack(offset, size) + data)
                return struct.pack("<II", size, 0)
            case Opcode.FSYNC:
                os.write(self.log, HEADER.pack(0, 0))
                return b""
            case Opcode.RELEASE | Opcode.FLUSH:
                return b""
            case _:
                return errno.ENOSYS

    def serve(self, device: int) -> None:
        """Until the file system is unmounted."""
        while True:
            try:
                request = os.read(device, MOST + 4096)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return
                if error.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    continue
                raise
            _, opcode, unique, *_ = IN.unpack_from(request)
            if opcode in (Opcode.FORGET, Opcode.INTERRUPT):
                continue
            answer = self.answer(opcode, request[IN.size :])
            if isinstance(answer, int):
                os.write(device, OUT.pack(OUT.size, -answer, unique))
            else:
                os.write(device, OUT.pack(OUT.size + len(answer), 0, unique) + answer)


def main(image: str, log: str, place: str) -> None:
    """Mount, say so, serve."""
    server = Server(image, log)
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=100600,user_id=0,group_id=0"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"block-log", place.encode(), b"fuse", 0, options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    # The kernel asks for INIT by itself: only then the file can be opened.
    print("mounted", flush=True)
    server.serve(device)


if __name__ == "__main__":
    main(*sys.argv[1:])
