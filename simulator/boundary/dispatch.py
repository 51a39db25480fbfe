"""Replacements: for a rank they do what the simulation does, for every other caller what the original does."""

from __future__ import annotations

import functools
from _thread import get_ident
from abc import ABCMeta
from types import MethodType, ModuleType
from typing import Any

from simulator.boundary.caller import CURRENT, current
from simulator.boundary.calls import Simulated

_BASETYPE = 1 << 10
"""Py_TPFLAGS_BASETYPE: the type can be subclassed."""


def function_for(original: Any, simulated: Simulated, module: ModuleType) -> Any:
    """A replacement for a module's function.

    It is a bound method, because those do not bind again: ``class C: remove = os.remove`` works with a function in C
    and must go on working.
    """

    @functools.wraps(original, updated=())
    def replacement(_: ModuleType, *args: Any, **kwargs: Any) -> Any:
        caller = CURRENT.caller
        if caller is None or CURRENT.thread != get_ident():
            return original(*args, **kwargs)
        if not kwargs:  # Without unpacking, CPython makes the call in the same C frame: less to do, less to switch.
            match len(args):
                case 1:
                    return simulated(caller, args[0])
                case 2:
                    return simulated(caller, args[0], args[1])
        return simulated(caller, *args, **kwargs)

    return MethodType(replacement, module)


def method_for(original: Any, simulated: Simulated) -> Any:
    """A replacement for a method of a class: a plain function, so that it binds to the instance."""

    @functools.wraps(original, updated=())
    def replacement(*args: Any, **kwargs: Any) -> Any:
        caller = CURRENT.caller
        if caller is None or CURRENT.thread != get_ident():
            return original(*args, **kwargs)
        return simulated(caller, *args, **kwargs)

    return replacement


def class_for(original: Any, simulated: Simulated) -> Any:
    """A replacement for a class of which code makes instances. To make one is what differs for a rank.

    Other callers get instances of the original itself, which are instances of the replacement too, as far as
    ``isinstance`` goes; the replacement can be subclassed where the original can.
    """
    base: Any = ABCMeta if type(original) is type else type(original)

    class Replaced(base):  # type: ignore[misc]
        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            if cls is not replacement:
                return super().__call__(*args, **kwargs)
            caller = current()
            if caller is None:
                return original(*args, **kwargs)
            return simulated(caller, *args, **kwargs)

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, original) if cls is replacement else type.__instancecheck__(cls, instance)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, original) if cls is replacement else type.__subclasscheck__(cls, other)

    bases = (original,) if original.__flags__ & _BASETYPE else ()
    body = {
        "__module__": original.__module__, "__qualname__": original.__qualname__, "__doc__": original.__doc__,
        "__wrapped__": original,
    }  # fmt: skip
    replacement = Replaced(original.__name__, bases, body)
    return replacement


class RanksOwn:
    """In place of an object of which each rank has its own: for everybody else it is the one that was there."""

    def __init__(self, original: Any, simulated: Simulated) -> None:
        object.__setattr__(self, "__wrapped__", original)
        object.__setattr__(self, "_simulated", simulated)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chosen(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._chosen(), name, value)

    def _chosen(self) -> Any:
        caller = current()
        return self.__dict__["__wrapped__"] if caller is None else self.__dict__["_simulated"](caller)


def original_of(replacement: Any) -> Any:
    """What was there before a replacement; the thing itself if it is none."""
    return getattr(replacement, "__wrapped__", replacement)
