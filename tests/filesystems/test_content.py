"""Contents behave like byte arrays, whatever they consist of, and cost only what is not zero."""

from __future__ import annotations

import os

from hypothesis import given, strategies as st

from simulator.filesystems import PosixModel
from simulator.filesystems.posix.content import CHUNK, Content, Sparse, read, size_of, splice, token, truncate
from simulator.operations import Extent, Open, Read, Stat, Truncate, Write

BORDERS = st.sampled_from((0, 1, 7, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5))
BYTES = st.builds(lambda byte, size: byte * size, st.sampled_from((b"a", b"b", b"\0", b"\0c")), BORDERS)
DATA = BYTES | st.builds(Extent, BORDERS)
EDITS = st.lists(st.tuples(BORDERS, DATA) | BORDERS, max_size=8)


def edited(edits: list[tuple[int, bytes | Extent] | int]) -> tuple[Content, bytearray]:
    """A content, and the plain bytes that it should be."""
    content: Content = b""
    plain = bytearray()
    for edit in edits:
        if isinstance(edit, int):
            content = truncate(content, edit)
            plain = plain[:edit].ljust(edit, b"\0")
        elif len(edit[1]):
            offset, data = edit
            content = splice(content, offset, data)
            plain = plain.ljust(offset, b"\0")
            plain[offset : offset + len(data)] = bytes(len(data)) if isinstance(data, Extent) else data
    return content, plain


@given(EDITS, BORDERS, BORDERS)
def test_contents_read_like_byte_arrays(edits: list[tuple[int, bytes | Extent] | int], offset: int, size: int) -> None:
    content, plain = edited(edits)
    assert size_of(content) == len(plain)
    assert read(content, 0, -1) == plain
    assert read(content, offset, size) == plain[offset : offset + size]
    assert (type(content) is bytes) == (len(plain) <= CHUNK)


@given(EDITS, EDITS)
def test_tokens_are_equal_exactly_for_equal_contents(
    edits: list[tuple[int, bytes | Extent] | int], others: list[tuple[int, bytes | Extent] | int]
) -> None:
    content, plain = edited(edits)
    other, other_plain = edited(others)
    assert token(content) == token(splice(truncate(b"", len(plain)), 0, bytes(plain)) if plain else b"")
    assert (token(content) == token(other)) == (plain == other_plain)


def test_a_file_of_many_terabytes_takes_no_memory() -> None:
    model = PosixModel()
    descriptor = model.perform(0, Open("f", os.O_CREAT | os.O_RDWR))
    assert model.perform(0, Write(descriptor, b"header")) == 6
    assert model.perform(0, Write(descriptor, Extent(1 << 45))) == 1 << 45
    assert model.perform(0, Write(descriptor, b"end")) == 3
    model.perform(0, Truncate("f", 1 << 50))
    assert model.perform(0, Stat("f")).size == 1 << 50
    assert model.perform(0, Read(descriptor, 8, 0)) == b"header\0\0"
    assert model.perform(0, Read(descriptor, 6, (1 << 45) + 5)) == b"\0end\0\0"
    content = model._tree.root.entries["f"].content
    assert isinstance(content, Sparse)
    assert sum(map(len, content.chunks.values())) < 2 * CHUNK
    model.digest()
    model.perform(0, Write(descriptor, Extent(1 << 44), 0))
    model.perform(0, Truncate("f", 3))
    assert model.perform(0, Read(descriptor, -1, 0)) == b"\0\0\0"
