"""What a file contains: its bytes while it is small, and beyond that the chunks that are not all zeros.

Contents are immutable values, so that undoing a write is keeping the old one. A hole, an ``Extent`` and written zeros
read alike, so they are alike here: a file of hundreds of gigabytes costs as much as the bytes in it that are not zero.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from hashlib import blake2b
from typing import Final, TypeAlias

import msgspec

from simulator.operations import Extent

CHUNK: Final = 1 << 16
"""Size of a chunk, and the size up to which a content is plain bytes."""

_ZEROS: Final = bytes(CHUNK)

_SHORT: Final = 1 << 12
"""Up to so many bytes of content are worth being kept beside their token."""


class Sparse(msgspec.Struct, frozen=True, gc=False):
    """More than ``CHUNK`` bytes: chunks by number, without trailing zeros; a missing chunk is all zeros."""

    size: int
    chunks: dict[int, bytes]


Content: TypeAlias = bytes | Sparse
"""Plain bytes exactly when there are at most ``CHUNK`` of them."""


def size_of(content: Content) -> int:
    """Number of bytes."""
    return len(content) if type(content) is bytes else content.size  # type: ignore[union-attr]


def splice(content: Content, offset: int, data: bytes | Extent) -> Content:
    """The content after ``data`` has been written at ``offset``; a gap before it reads as zeros."""
    if type(content) is bytes and type(data) is bytes:
        end = offset + len(data)
        if end <= CHUNK:
            size = len(content)
            if offset == size:
                return content + data
            if offset > size:
                return content + _ZEROS[: offset - size] + data
            return content[:offset] + data + content[end:]
    return _spliced_widely(content, offset, data)


def _spliced_widely(content: Content, offset: int, data: bytes | Extent) -> Content:
    end = offset + len(data)
    size = max(size_of(content), end)
    if size <= CHUNK:
        assert type(content) is bytes
        fill = _ZEROS[: len(data)] if isinstance(data, Extent) else data
        return content[:offset].ljust(offset, b"\0") + fill + content[end:]
    chunks = dict(_chunks(content))
    if isinstance(data, Extent):
        _clear(chunks, offset, end)
    else:
        view = memoryview(data)
        for number in range(offset // CHUNK, -(-end // CHUNK)):
            start = number * CHUNK
            first, last = max(offset, start), min(end, start + CHUNK)
            piece = view[first - offset : last - offset]
            _store(
                chunks,
                number,
                bytes(piece)
                if last - first == CHUNK
                else _patched(chunks.get(number, b""), first - start, bytes(piece)),
            )
    return Sparse(size, chunks)


def truncate(content: Content, size: int) -> Content:
    """The content cut off at ``size``, or extended to it by a hole."""
    if type(content) is bytes and size <= CHUNK:
        return content[:size] if size <= len(content) else content + _ZEROS[: size - len(content)]
    if size <= CHUNK:
        return read(content, 0, size)
    chunks = dict(_chunks(content))
    if size < size_of(content):
        _clear(chunks, size, size_of(content))
    return Sparse(size, chunks)


def read(content: Content, offset: int, size: int) -> bytes:
    """At most ``size`` bytes from ``offset`` on; to the end if ``size`` is negative."""
    if isinstance(content, bytes):
        return content[offset : offset + size] if size >= 0 else content[offset:]
    end = content.size if size < 0 else min(content.size, offset + size)
    if offset >= end:
        return b""
    found = bytearray(end - offset)
    for number, chunk in content.chunks.items():
        start = number * CHUNK
        first, last = max(offset, start), min(end, start + len(chunk))
        if first < last:
            found[first - offset : last - offset] = chunk[first - start : last - start]
    return bytes(found)


def token(content: Content) -> bytes:
    """128 bits that are equal for equal contents, however they came about."""
    if type(content) is bytes:
        return _short_token(content) if len(content) <= _SHORT else _token(content)
    assert isinstance(content, Sparse)
    digest = blake2b(struct.pack("<Q", content.size), digest_size=16, person=b"sparse")
    for number in sorted(content.chunks):
        chunk = content.chunks[number]
        digest.update(struct.pack("<QI", number, len(chunk)))
        digest.update(chunk)
    return digest.digest()


def _token(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()


_short_token = lru_cache(maxsize=1 << 10)(_token)
"""Schedules of one program write the same few contents again and again."""


def _chunks(content: Content) -> dict[int, bytes]:
    if isinstance(content, Sparse):
        return content.chunks
    chunk = content.rstrip(b"\0")
    return {0: chunk} if chunk else {}


def _store(chunks: dict[int, bytes], number: int, chunk: bytes) -> None:
    chunk = chunk.rstrip(b"\0")
    if chunk:
        chunks[number] = chunk
    else:
        chunks.pop(number, None)


def _patched(chunk: bytes, offset: int, piece: bytes) -> bytes:
    return chunk[:offset].ljust(offset, b"\0") + piece + chunk[offset + len(piece) :]


def _clear(chunks: dict[int, bytes], start: int, end: int) -> None:
    """Make the bytes from ``start`` to ``end`` zeros."""
    for number in [n for n in chunks if n * CHUNK < end and (n + 1) * CHUNK > start]:
        base = number * CHUNK
        first, last = max(start - base, 0), min(end - base, CHUNK)
        chunk = chunks[number]
        # Not patched where nothing is left behind the zeros: to strip 64 KiB of them takes longer than all else.
        _store(chunks, number, chunk[:first] if last >= len(chunk) else _patched(chunk, first, _ZEROS[: last - first]))
