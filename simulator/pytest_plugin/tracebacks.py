"""Tracebacks of code under test as it would have had them without the simulator."""

from __future__ import annotations

from types import TracebackType

import msgspec

from simulator.engines.frames import SIMULATOR, is_standard


class Raised(msgspec.Struct, frozen=True):
    """An exception with all that it came from, each with its traceback and notes at the time when it was kept.

    The engine cuts the tracebacks off what a rank raised, and adds a note instead.
    """

    error: BaseException
    chain: list[tuple[BaseException, TracebackType | None, list[str]]]

    @classmethod
    def keep(cls, error: BaseException) -> Raised:
        """Keep what was just raised."""
        chain: list[tuple[BaseException, TracebackType | None, list[str]]] = []
        waiting: list[BaseException | None] = [error]
        while waiting:
            each = waiting.pop()
            if each is None or any(each is known for known, _, _ in chain):
                continue
            chain.append((each, each.__traceback__, list(getattr(each, "__notes__", ()))))
            waiting += (each.__cause__, each.__context__)
            if isinstance(each, BaseExceptionGroup):
                waiting += each.exceptions
        return cls(error, chain)

    def restored(self) -> BaseException:
        """The exception as it was, without the simulator's own frames."""
        for each, traceback, notes in self.chain:
            each.__traceback__ = without_simulator(traceback)
            if notes:
                each.__notes__ = notes
            elif hasattr(each, "__notes__"):
                del each.__notes__
        return self.error


def without_simulator(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of this package: an ``os.rename`` that failed is its last line, as it would be.

    Nor are those of Python's own library in it, of which a failing ``shutil.rmtree`` has pages. As it is where nothing
    else is in it.
    """
    frames = []
    each = traceback
    while each is not None:
        file = each.tb_frame.f_code.co_filename
        if not file.startswith(SIMULATOR) and not is_standard(file):
            frames.append(each)
        each = each.tb_next
    if not frames:
        return traceback
    result: TracebackType | None = None
    for each in reversed(frames):
        result = TracebackType(result, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return result
