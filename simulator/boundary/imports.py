"""Modules that are loaded while the boundary is installed.

Those of which functions are replaced are patched once they have been executed. And what a rank imports from the
standard library or from an installed package is executed outside the simulation: the module is shared by all ranks, so
it must not see one rank's clock, environment or files; and libraries do at import what a rank may not (torch looks for
CUDA with a subprocess). The code under test's own modules are executed in the rank's name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

from simulator.boundary.caller import CURRENT, current

_INSTALLED: Final = ("/site-packages/", "/dist-packages/")
_STANDARD: Final = os.path.dirname(os.path.realpath(os.__file__)) + "/"


class LateModules:
    """A finder for ``sys.meta_path`` that finds nothing itself: it lets the others find, and wraps their loaders."""

    def __init__(self, names: Collection[str], loaded: Callable[[ModuleType], None]) -> None:
        self._names = frozenset(names)
        self._loaded = loaded
        self._asking = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders give, with a loader that does what this module is for."""
        wanted = fullname in self._names
        if self._asking or not (wanted or current() is not None):
            return None
        self._asking = True
        try:
            spec = _found(fullname, path, target)
        finally:
            self._asking = False
        if spec is None or spec.loader is None or not hasattr(spec.loader, "exec_module"):
            return spec
        apart = current() is not None and is_installed(spec)
        if wanted or apart:
            report = self._loaded if wanted else None
            spec.loader = _Wrapped(spec.loader, report, apart)  # type: ignore[assignment]
        return spec


class _Wrapped:
    """A loader that hands everything to the real one, and puts that back into the module before it is executed."""

    def __init__(self, loader: Any, report: Callable[[ModuleType], None] | None, apart: bool) -> None:
        self._loader = loader
        self._report = report
        self._apart = apart

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        caller = CURRENT.caller
        if self._apart:
            CURRENT.caller = None
        try:
            self._loader.exec_module(module)
        finally:
            CURRENT.caller = caller
        if self._report is not None:
            self._report(module)


def _found(fullname: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find(fullname, path, target) if find is not None else None
        if spec is not None:
            return spec
    return None


def is_installed(spec: ModuleSpec) -> bool:
    """Whether a module is of the standard library or of an installed package."""
    origin = spec.origin or ""
    return origin.startswith(_STANDARD) or any(part in origin for part in _INSTALLED)
