"""How a rank ended, on the way from its own process to the controller: values and exceptions."""

from __future__ import annotations

import builtins
import pickle
from typing import Any

import msgspec

from simulator.engines.channel import dumps


class Unsendable:
    """Stands for what a rank returned where that cannot leave its process."""

    def __init__(self, kind: str, reason: str) -> None:
        self.kind = kind
        self.reason = reason

    def __repr__(self) -> str:
        return f"<a {self.kind} that cannot be sent from the rank's process: {self.reason}>"


class SentError(msgspec.Struct, frozen=True):
    """An exception in words, and pickled where that gives back an equal one."""

    module: str
    name: str
    base: str
    text: str
    errno: int | None
    notes: list[str]
    pickled: bytes | None


def sendable(value: Any) -> bytes:
    """A value as bytes for ``pickle.loads``, or something that stands for it and says why."""
    try:
        return dumps(value)
    except Exception as error:
        return dumps(Unsendable(type(value).__qualname__, f"{type(error).__name__}: {error}"))


def packed(error: BaseException) -> SentError:
    """What can be sent of an exception."""
    kind = type(error)
    base = next(each for each in kind.__mro__ if vars(builtins).get(each.__name__) is each)
    pickled: bytes | None
    try:
        pickled = pickle.dumps(error)
        if not _same(pickle.loads(pickled), kind.__name__, str(error)):
            pickled = None
    except Exception:
        pickled = None
    number = error.errno if isinstance(error, OSError) else None
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    return SentError(kind.__module__, kind.__name__, base.__name__, str(error), number, notes, pickled)


def unpacked(sent: SentError) -> BaseException:
    """The exception again, or one of the same name and text, of the nearest class that Python itself has."""
    if sent.pickled is not None:
        try:
            error = pickle.loads(sent.pickled)
            if _same(error, sent.name, sent.text):
                return error  # type: ignore[no-any-return]
        except Exception:
            pass  # Say, a class of a module that only the rank's process has imported.
    base = getattr(builtins, sent.base)
    if issubclass(base, BaseExceptionGroup):
        base = Exception
    members = {"__module__": sent.module, "__str__": lambda _: sent.text}
    stand_in: BaseException = base.__new__(type(sent.name, (base,), members))
    if isinstance(stand_in, OSError):
        stand_in.errno = sent.errno
    for note in sent.notes:
        stand_in.add_note(note)
    return stand_in


def _same(error: Any, name: str, text: str) -> bool:
    return isinstance(error, BaseException) and type(error).__name__ == name and str(error) == text
