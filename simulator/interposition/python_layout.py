"""How a CPython keeps its frames in memory, found out from outside with the help of what it says about some of them.

The structures differ from version to version, and between builds. A program's interpreter describes the frames of one
moment (``target/ckptrace_sources.py``) while it is held; where in memory what it says is found, and found for each of
these frames alike, is where it will be found for others. Where that cannot be told, no lines are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, permutations, product
from typing import Final

import msgspec

from simulator.interposition.line_table import line_at
from simulator.interposition.memory import Memory, Unreadable

_STATE_WORDS: Final = 48
_FRAME_WORDS: Final = 12
"""How far into a thread's state and a frame to look."""
_THROUGH: Final = (None, 0, 8)
"""A thread's state has a pointer to the innermost frame, or to something that has one so far in."""
_TAGS: Final = 0b111
"""Bits of a pointer to an object that say something else, since Python 3.14."""
_TYPE_AT: Final = 8
_LONGEST_CODE: Final = 1 << 20
_LENGTH_AT: Final = 16
_FORM_AT: Final = 32
_FORM_SHIFTS: Final = (2, 16)
"""In a text object: how long it is, and how its characters are kept, behind so many bits for other things."""
_SIZE, _IN_ONE_PIECE, _ASCII = 0b111, 0b1000, 0b10000
"""Bytes of a character; that they follow the object; that there are only ASCII ones, whose objects are shorter."""
_ENCODINGS: Final = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}
_BYTES_SIZE_AT: Final = 16
_BYTES_AT: Final = 32
_LONGEST_NAME: Final = 4096
_FEWEST: Final = 3
_MOST_FRAMES: Final = 200
"""How far outwards to look for a frame."""


class DescribedFrame(msgspec.Struct, frozen=True, array_like=True):
    """A frame as Python itself sees it: addresses of its code, of that code's file name and line table, and where."""

    code: int
    filename: int
    linetable: int
    first_line: int
    instruction: int
    line: int | None


class Described(msgspec.Struct, frozen=True, tag="frames", tag_field="kind"):
    """What an interpreter says about itself and the frames of one of its threads, innermost first."""

    thread: int
    state: int
    code_type: int
    instructions: int
    ascii_at: int
    wide_at: int
    frames: tuple[DescribedFrame, ...]
    file: str
    library: tuple[str, ...]
    directory: str
    again: bool


class Frame(msgspec.Struct, frozen=True):
    """A frame as memory has it: its code, and the offset of its instruction in that."""

    code: int
    instruction: int


class Layout(msgspec.Struct, frozen=True):
    """Offsets in bytes: of a thread's state, of a frame (``through``: in what the state has a pointer to), of code."""

    thread_id: int
    frame: int
    through: int | None
    code: int
    previous: int
    instruction: int
    filename: int
    linetable: int
    first_line: int
    form_shift: int
    code_type: int
    instructions: int
    ascii_at: int
    wide_at: int

    def frames(self, memory: Memory, state: int) -> Iterator[Frame]:
        """The frames of a thread, innermost first. Raises Unreadable."""
        at = memory.word(state + self.frame)
        if self.through is not None and at:
            at = memory.word(at + self.through)
        yield from _frames(memory, at, self.code, self.previous, self.instruction, self.code_type, self.instructions)

    def file_of(self, memory: Memory, code: int) -> str:
        """The file of some code. Raises Unreadable."""
        return self._text(memory, memory.word(code + self.filename))

    def line_of(self, memory: Memory, frame: Frame) -> int | None:
        """The line that a frame is at; None where it is at none. Raises Unreadable."""
        table = memory.word(frame.code + self.linetable)
        size = memory.word(table + _BYTES_SIZE_AT)
        first = int.from_bytes(memory.bytes(frame.code + self.first_line, 4), "little", signed=True)
        return line_at(memory.bytes(table + _BYTES_AT, size), first, frame.instruction)

    def _text(self, memory: Memory, at: int) -> str:
        length, form = memory.word(at + _LENGTH_AT), memory.word(at + _FORM_AT) >> self.form_shift
        size = form & _SIZE
        if length > _LONGEST_NAME or size not in _ENCODINGS or not form & _IN_ONE_PIECE:
            raise Unreadable
        begin = self.ascii_at if form & _ASCII else self.wide_at
        try:
            return memory.bytes(at + begin, length * size).decode(_ENCODINGS[size], "surrogatepass")
        except UnicodeDecodeError as error:  # It was no text: what led here is not what it was taken for.
            raise Unreadable from error


def found_out(memory: Memory, described: Described) -> Layout | None:
    """How this interpreter keeps its frames; None where what it says is not found in memory, or not for certain.

    To be called while the thread that describes itself is held.
    """
    frames = described.frames
    if len(frames) < _FEWEST:
        return None
    try:
        state = memory.words(described.state, _STATE_WORDS)
        codes = [memory.bytes(frame.code, described.instructions) for frame in frames]
        filename = _offset(codes, [frame.filename for frame in frames], 8)
        linetable = _offset(codes, [frame.linetable for frame in frames], 8)
        first_line = _offset(codes, [frame.first_line for frame in frames], 4)
        if described.thread not in state or filename is None or linetable is None or first_line is None:
            return None
        for at, through, code, previous, instruction in _places(memory, described, state):
            for shift in _FORM_SHIFTS:
                layout = Layout(
                    state.index(described.thread) * 8, at, through, code, previous, instruction,
                    filename, linetable, first_line, shift,
                    described.code_type, described.instructions, described.ascii_at, described.wide_at,
                )  # fmt: skip
                if _tells_the_same(memory, layout, described):
                    return layout
    except Unreadable:
        pass
    return None


def _offset(codes: Sequence[bytes], values: Sequence[int], size: int) -> int | None:
    """Where in all of them their values are."""
    for at in range(0, min(map(len, codes)) - size + 1, size):
        read = (int.from_bytes(code[at : at + size], "little") for code in codes)
        if all(found == value for found, value in zip(read, values, strict=True)):
            return at
    return None


def _places(
    memory: Memory, described: Described, state: Sequence[int]
) -> Iterator[tuple[int, int | None, int, int, int]]:
    """Where the innermost frame, and in frames their code, the frame before and the instruction may be."""
    innermost = described.frames[0].code
    for (at, word), through in product(enumerate(state), _THROUGH):
        try:
            words = memory.words(word if through is None else memory.word(word + through), _FRAME_WORDS)
        except Unreadable:
            continue
        for code in (code for code, found in enumerate(words) if found & ~_TAGS == innermost):
            others = (each for each in range(_FRAME_WORDS) if each != code)
            for previous, instruction in permutations(others, 2):
                if innermost <= words[instruction] < innermost + _LONGEST_CODE:
                    yield at * 8, through, code * 8, previous * 8, instruction * 8


def _tells_the_same(memory: Memory, layout: Layout, described: Described) -> bool:
    """Whether memory, read so, has what was said of each frame. The innermost one has gone on since.

    Between them are frames of which Python itself says nothing: 3.12 has one, with code, where C calls Python.
    """
    expected = described.frames
    said = {frame.code for frame in expected}
    try:
        told = (frame for frame in layout.frames(memory, described.state) if frame.code in said)
        found = list(islice(told, len(expected)))
        if [frame.code for frame in found] != [frame.code for frame in expected]:
            return False
        return layout.file_of(memory, expected[0].code) == described.file and all(
            mine.instruction == theirs.instruction and layout.line_of(memory, mine) == theirs.line
            for mine, theirs in zip(found[1:], expected[1:], strict=True)
        )
    except Unreadable:
        return False


def _frames(
    memory: Memory, at: int, code: int, previous: int, instruction: int, code_type: int, instructions: int
) -> Iterator[Frame]:
    count = max(code, previous, instruction) // 8 + 1
    for _ in range(_MOST_FRAMES):
        if not at:
            return
        words = memory.words(at, count)
        of = words[code // 8] & ~_TAGS
        # Between two pieces of Python code the interpreter has frames of its own, some without any code.
        if of and memory.word(of + _TYPE_AT) == code_type:
            yield Frame(of, words[instruction // 8] - of - instructions)
        at = words[previous // 8]
