"""Putting the boundary in place, and taking it away again.

Installing is done once for many runs, since a run only sets and clears the current caller: the first time searches
every loaded module for captured originals (tens of milliseconds with torch loaded), later times only new modules.
"""

from __future__ import annotations

import os
import shutil  # noqa: F401  looks at os.supports_dir_fd when it is first imported, which must be before any patch
import sys
from _thread import get_ident
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final, TypeAlias

from simulator.boundary import (
    attributes,
    audit,
    clocks,
    copying,
    descriptor_settings,
    descriptors,
    directories,
    distributed_adapter,
    files,
    identity,
    locks,
    mappings,
    names,
    numpy_adapter,
    randomness,
    safetensors_adapter,
    threads,
    torch_adapter,
)
from simulator.boundary.caller import CURRENT
from simulator.boundary.calls import Simulated
from simulator.boundary.captured import Captures, Change
from simulator.boundary.dispatch import RanksOwn, class_for, function_for, method_for
from simulator.boundary.imports import LateModules
from simulator.boundary.printing import Streams

FUNCTIONS: Final[dict[str, Simulated]] = {
    **attributes.FUNCTIONS, **clocks.FUNCTIONS, **copying.FUNCTIONS, **descriptors.FUNCTIONS,
    **descriptor_settings.FUNCTIONS, **directories.FUNCTIONS, **distributed_adapter.FUNCTIONS,
    **files.FUNCTIONS, **identity.FUNCTIONS, **locks.FUNCTIONS, **names.FUNCTIONS, **numpy_adapter.FUNCTIONS,
    **randomness.FUNCTIONS, **safetensors_adapter.FUNCTIONS, **threads.FUNCTIONS, **torch_adapter.FUNCTIONS,
}  # fmt: skip
METHODS: Final[dict[str, Simulated]] = {
    **distributed_adapter.METHODS, **identity.METHODS, **randomness.METHODS, **threads.METHODS,
}  # fmt: skip
CLASSES: Final[dict[str, Simulated]] = {
    **distributed_adapter.CLASSES, **files.CLASSES, **mappings.CLASSES, **safetensors_adapter.CLASSES,
    **torch_adapter.CLASSES,
}  # fmt: skip
OBJECTS: Final[dict[str, Simulated]] = {**distributed_adapter.OBJECTS}
"""What is replaced, by ``module:name`` (methods ``module:Class.name``), with what a rank gets instead.

For objects that is a function of the caller which gives the rank's own one.
"""

SUPPORTS: Final = ("supports_dir_fd", "supports_effective_ids", "supports_fd", "supports_follow_symlinks")
"""Sets of functions in ``os`` that say what a function can do; ``shutil`` and others ask them."""


Make: TypeAlias = Callable[[Any, Simulated, ModuleType], Any]


def _function(original: Any, simulated: Simulated, module: ModuleType) -> Any:
    return function_for(original, simulated, module)


def _class(original: Any, simulated: Simulated, module: ModuleType) -> Any:
    return class_for(original, simulated)


def _method(original: Any, simulated: Simulated, module: ModuleType) -> Any:
    return method_for(original, simulated)


def _object(original: Any, simulated: Simulated, module: ModuleType) -> Any:
    return RanksOwn(original, simulated)


def _by_module() -> dict[str, list[tuple[str, Simulated, Make]]]:
    """What is replaced in each module: (name within it, what a rank gets instead, how the replacement is made)."""
    found: dict[str, list[tuple[str, Simulated, Make]]] = {}
    for table, make in ((FUNCTIONS, _function), (CLASSES, _class), (METHODS, _method), (OBJECTS, _object)):
        for key, simulated in table.items():
            module, _, path = key.partition(":")
            found.setdefault(module, []).append((path, simulated, make))
    return found


class Installation:
    """The boundary of this process. There is one, below."""

    def __init__(self) -> None:
        self._depth = 0
        self._captures = Captures()
        self._streams = Streams()
        self._replacements: dict[Any, Any] = {}
        self._originals: dict[Any, Any] = {}
        self._changes: list[Change] = []
        self._set: list[tuple[Any, str, Any, Any]] = []
        self._supported: list[tuple[set[Any], Any]] = []
        self._wanted = _by_module()
        self._finder = LateModules(self._wanted, self._loaded)

    @property
    def is_in_place(self) -> bool:
        """Whether the functions are replaced now."""
        return self._depth > 0

    def install(self) -> None:
        """Replace the functions, if that is not done already. Ranks run in the thread that calls this first."""
        self._depth += 1
        self._streams.attach()
        if self._depth > 1:
            return
        CURRENT.thread = get_ident()
        for name in self._wanted:
            module = sys.modules.get(name)
            if module is not None:
                self._patch(module)
        self._changes += self._captures.rebind(self._replacements)
        for name in SUPPORTS:
            self._extend(getattr(os, name))
        sys.meta_path.insert(0, self._finder)
        audit.watch()

    def uninstall(self) -> None:
        """Undo one ``install``; the last one puts every binding back. Raises RuntimeError if there was none."""
        if not self._depth:
            raise RuntimeError("the boundary is not installed")
        self._depth -= 1
        if self._depth:
            return
        self._streams.detach()
        sys.meta_path.remove(self._finder)
        for functions, replacement in self._supported:
            functions.discard(replacement)
        for holder, name, before, after in reversed(self._set):
            if holder.__dict__.get(name) is after:
                setattr(holder, name, before)
        self._captures.restore(self._changes, self._originals)
        self._supported.clear()
        self._set.clear()
        self._changes.clear()

    def _loaded(self, module: ModuleType) -> None:
        if self._depth:
            self._patch(module)

    def _patch(self, module: ModuleType) -> None:
        for path, simulated, make in self._wanted[module.__name__]:
            self._replace(module, path, simulated, make)

    def _replace(self, module: ModuleType, path: str, simulated: Simulated, make: Make) -> None:
        owner, _, attribute = path.rpartition(".")
        holder = getattr(module, owner, None) if owner else module
        before = holder.__dict__.get(attribute) if holder is not None else None
        if before is None:
            return
        if before in self._originals:
            # Left over where somebody patched and unpatched across an uninstall.
            self._set.append((holder, attribute, self._originals[before], before))
            return
        after = self._replacements.get(before)
        if after is None:
            after = make(before, simulated, module)
            if make is not _method:
                self._replacements[before] = after
                self._originals[after] = before
        setattr(holder, attribute, after)
        self._set.append((holder, attribute, before, after))

    def _extend(self, functions: set[Any]) -> None:
        for original, replacement in self._replacements.items():
            if original in functions:
                functions.add(replacement)
                self._supported.append((functions, replacement))


_INSTALLATION = Installation()


def install() -> None:
    """Replace the functions through which code reaches the world; may be called again, each time with its uninstall.

    The ranks must run in the thread that makes the outermost call. A function replaced here asks who calls: for a
    rank (``caller.current()``) it hands operations over, for everybody else it is what it was.
    """
    _INSTALLATION.install()


def uninstall() -> None:
    """Undo one ``install``; the last one restores every binding."""
    _INSTALLATION.uninstall()


@contextmanager
def installed() -> Iterator[None]:
    """``install`` on entry and ``uninstall`` on exit; may be nested."""
    install()
    try:
        yield
    finally:
        uninstall()
