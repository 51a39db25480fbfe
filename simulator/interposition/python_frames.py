"""The source line of a held call: read from the frames of the thread that makes it, which stands still meanwhile."""

from __future__ import annotations

import os
from typing import Final

from simulator.interposition.memory import Memory, Unreadable, memory_of
from simulator.interposition.python_layout import Described, Layout, found_out
from simulator.interposition.target.ckptrace_shown import SERVING, SHOWN, worth as worth_of

_MOST_THREADS: Final = 4096


class PythonFrames:
    """Of one interpreter, and of the processes that it forks.

    Nothing is told of a thread that has no frames there: of native code, or of another program's.
    """

    def __init__(self, layout: Layout, described: Described, executable: str, state: int) -> None:
        self.layout = layout
        self._described = described
        self._executable = executable
        self._state = state

    def site(self, thread: int) -> str | None:
        """``file:line`` of the frame of a held thread that is worth naming, see ``ckptrace_shown``; None if unknown."""
        if _executable_of(thread) != self._executable:
            return None
        try:
            with memory_of(thread) as memory:
                state = _state_of(memory, self.layout, self._state, thread)
                return None if state is None else self._named(memory, state)
        except Unreadable:
            return None

    def _named(self, memory: Memory, state: int) -> str | None:
        serving = None
        for frame in self.layout.frames(memory, state):
            file = self.layout.file_of(memory, frame.code)
            worth = worth_of(file, self._described.library)
            if worth == SHOWN or (worth == SERVING and serving is None):
                line = self.layout.line_of(memory, frame)
                site = None if line is None else f"{os.path.join(self._described.directory, file)}:{line}"
                if worth == SHOWN:
                    return site
                serving = site
        return serving


def frames_of(described: Described, thread: int, main: int, before: PythonFrames | None = None) -> PythonFrames | None:
    """What is needed to name source lines of the interpreter that describes itself; None where it cannot be done.

    To be called while its ``thread`` is held at the call by which it does; ``main`` is the one that lives longest.
    ``before`` is what was found at its first description: at the second one, the same must be.
    """
    executable = _executable_of(thread)
    if executable is None or described.thread != thread:
        return None
    try:
        with memory_of(thread) as memory:
            layout = found_out(memory, described)
            state = None if layout is None else _state_of(memory, layout, described.state, main)
    except Unreadable:
        return None
    if layout is None or state is None or (described.again and (before is None or before.layout != layout)):
        return None
    return PythonFrames(layout, described, executable, state)


def _state_of(memory: Memory, layout: Layout, known: int, thread: int) -> int | None:
    """The state of a thread: they are chained to both sides, by the first two words, so any one leads to all."""
    for way in (0, 8):
        at = known
        for _ in range(_MOST_THREADS):
            if memory.word(at + layout.thread_id) == thread:
                return at
            at = memory.word(at + way)
            if not at:
                break
    return None


def _executable_of(thread: int) -> str | None:
    try:
        return os.readlink(f"/proc/{thread}/exe")
    except OSError:
        return None
