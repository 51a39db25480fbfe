"""Originals that loaded modules have captured: as globals, as attributes of classes, as defaults of functions.

``from os import rename`` and ``def close(self, unlink=os.unlink)`` keep the original whatever ``os`` holds later, so
these places are found and rebound, and put back in the end. What is not found: originals in containers, in closures,
in ``functools.partial`` and in attributes of instances.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final, TypeAlias

PASSED_OVER: Final = ("simulator", "posix", "_io", "_thread", "importlib", "zipimport", "greenlet")
"""Modules (and all below them) that keep their originals: this tool, and what CPython's import system stands on."""

_FROZEN: Final = "_frozen_importlib"


Held: TypeAlias = tuple[str, Any, Any, Any]
"""Something wanted and where it is held: (kind, holder, key, what)."""

Change: TypeAlias = tuple[str, Any, Any, Any, Any]
"""What was done at a place: (kind, holder, key, what was there before, what is there now)."""


class Captures:
    """Where loaded modules hold originals. Remembers what it has searched, so that a further search is cheap."""

    def __init__(self) -> None:
        self._searched: dict[str, tuple[ModuleType, int]] = {}
        self._held: dict[str, list[Held]] = {}

    def rebind(self, replacements: dict[Any, Any]) -> list[Change]:
        """Put each replacement (by its original) where the original is held; gives what was changed."""
        changes: list[Change] = []
        for name, module in _modules():
            if self._is_new(name, module):
                self._searched[name] = (module, len(module.__dict__))
                self._held[name] = list(_held(module, replacements))
            for held in self._held[name]:
                change = _put(held, replacements)
                if change is not None:
                    changes.append(change)
        for name in self._searched.keys() - sys.modules.keys():
            del self._searched[name], self._held[name]
        return changes

    def restore(self, changes: list[Change], originals: dict[Any, Any]) -> None:
        """Undo a ``rebind``, and put originals where modules that were loaded since hold replacements."""
        for kind, holder, key, before, after in reversed(changes):
            if _get(kind, holder, key) is after:
                _set(kind, holder, key, before)
        for name, module in _modules():
            if self._is_new(name, module):
                for held in list(_held(module, originals)):
                    _put(held, originals)

    def _is_new(self, name: str, module: ModuleType) -> bool:
        known = self._searched.get(name)
        return known is None or known[0] is not module or known[1] != len(module.__dict__) or name == "__main__"


def _modules() -> list[tuple[str, ModuleType]]:
    return [
        (name, module)
        for name, module in list(sys.modules.items())
        if issubclass(type(module), ModuleType) and not _is_passed_over(name)
    ]


def _is_passed_over(name: str) -> bool:
    return name.partition(".")[0] in PASSED_OVER or name.startswith(_FROZEN)


_KINDS: Final = (BuiltinFunctionType, MethodType, FunctionType)


def _holds(value: Any, wanted: dict[Any, Any]) -> bool:
    """Whether a value is one of those wanted. Only kinds are hashed whose hash is that of their identity."""
    kind = type(value)
    if kind in _KINDS:
        return value in wanted
    ordinary = kind.__hash__ is type.__hash__  # type: ignore[comparison-overlap]
    return _is_class(value) and ordinary and value in wanted


def _is_class(value: Any) -> bool:
    """Without ``isinstance``, which would ask a lazy object for its ``__class__`` and wake it."""
    return issubclass(type(value), type)


def _held(module: ModuleType, wanted: dict[Any, Any]) -> Iterator[Held]:
    """The places of a module that hold something wanted: (kind, holder, key, what)."""
    space = module.__dict__
    for name, value in list(space.items()):
        if _holds(value, wanted):
            yield "global", space, name, value
        elif type(value) is FunctionType:
            yield from _defaults(value, wanted)
        elif _is_class(value) and value.__dict__.get("__module__") == module.__name__:
            yield from _attributes(value, wanted, {value})


def _attributes(owner: type, wanted: dict[Any, Any], seen: set[type]) -> Iterator[Held]:
    for name, value in list(owner.__dict__.items()):
        if _holds(value, wanted):
            yield "attribute", owner, name, value
        elif type(value) is staticmethod and _holds(value.__func__, wanted):
            yield "static", owner, name, value.__func__
        elif type(value) is FunctionType:
            yield from _defaults(value, wanted)
        elif type(value) in (staticmethod, classmethod) and type(value.__func__) is FunctionType:
            yield from _defaults(value.__func__, wanted)
        elif _is_class(value) and value.__dict__.get("__module__") == owner.__module__ and value not in seen:
            seen.add(value)
            yield from _attributes(value, wanted, seen)


def _defaults(function: FunctionType, wanted: dict[Any, Any]) -> Iterator[Held]:
    wrapped: Any = function
    while type(wrapped) is FunctionType:
        if wrapped.__defaults__ is not None and any(_holds(value, wanted) for value in wrapped.__defaults__):
            yield "defaults", wrapped, "__defaults__", None
        if wrapped.__kwdefaults__ is not None and any(_holds(v, wanted) for v in wrapped.__kwdefaults__.values()):
            yield "keywords", wrapped, "__kwdefaults__", None
        wrapped = wrapped.__dict__.get("__wrapped__")


def _get(kind: str, holder: Any, key: Any) -> Any:
    if kind == "global":
        return holder.get(key)
    return getattr(holder, key) if kind in ("defaults", "keywords") else holder.__dict__.get(key)


def _set(kind: str, holder: Any, key: Any, value: Any) -> None:
    if kind == "global":
        holder[key] = value
    else:
        setattr(holder, key, value)


def _put(held: Held, replacements: dict[Any, Any]) -> Change | None:
    """Put the replacement at a place if the place still holds what was found there."""
    kind, holder, key, wanted = held
    before = _get(kind, holder, key)
    after: Any
    if kind in ("global", "attribute"):
        if before is not wanted:
            return None
        after = replacements[wanted]
    elif kind == "static":
        if type(before) is not staticmethod or before.__func__ is not wanted:
            return None
        after = staticmethod(replacements[wanted])
    elif before is None:
        return None
    elif kind == "defaults":
        after = tuple(replacements[item] if _holds(item, replacements) else item for item in before)
    else:
        after = {name: replacements[i] if _holds(i, replacements) else i for name, i in before.items()}
    try:
        _set(kind, holder, key, after)
    except (AttributeError, TypeError):
        return None
    return kind, holder, key, before, after
