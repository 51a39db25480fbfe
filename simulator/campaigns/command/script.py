"""A Python file as a rank of the simulator runs it: as ``python FILE.py ARGUMENTS`` would, behind the boundary.

For where system calls cannot be held. The ranks of the in-process engine share all modules but ``__main__``, of which
each has its own: a module of the program's own might keep a rank's number in a global, so importing one is refused.
"""

from __future__ import annotations

import builtins
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from io import IOBase
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final

from simulator.boundary.caller import current
from simulator.boundary.generators import TURNS
from simulator.boundary.imports import is_installed
from simulator.errors import RankKilled, UsageError
from simulator.rank import Rank

_MAIN: Final = "__main__"


class Script:
    """The program of every rank: runs ``file`` in the current directory ``place``.

    ``words`` are its arguments; where one names ``watch``, or something below it, by an absolute path or from
    ``place``, alone or behind ``=``, the rank finds that below its root. Raises UsageError where there is no source.
    """

    def __init__(self, file: str, words: Sequence[str], *, place: Path, watch: Path) -> None:
        self._file = os.path.join(place, file)
        self._name = file
        self._words = tuple(words)
        self._place = str(place)
        self._watch = os.path.normpath(os.path.join(place, watch))
        self._mains: dict[int, dict[str, Any]] = {}
        self._running = 0
        self._before: tuple[ModuleType, list[str], list[str]] | None = None
        self._threads = 0
        # What Python puts first into sys.path. Found out here: in a rank's name, looking below /tmp is an operation.
        self._directory = os.path.dirname(os.path.realpath(self._file))
        self._own = _OwnModules(self._directory)
        self._code = self._compiled()

    def __call__(self, rank: Rank) -> None:
        """The rank's whole life. What the file raises, SystemExit too, comes out."""
        caller = current()
        assert caller is not None, "a program is called in a rank's name"
        caller.joined = False  # A script calls init_process_group itself.
        words = [self._name, *(self._placed(word, str(rank.root)) for word in self._words)]
        self._enter(words)
        space = self._mains[id(caller)] = {
            "__name__": _MAIN, "__file__": self._file, "__builtins__": builtins, "__doc__": None, "__package__": None,
            "__loader__": None, "__spec__": None, "__cached__": None,
        }  # fmt: skip
        try:
            os.chdir(self._place)
            TURNS.begin(caller)
            try:
                exec(self._code, space)  # It is what the user asked to run.
            finally:
                raised = sys.exc_info()[1]
                _close(space, raised)
                if sys.argv != words and not isinstance(raised, RankKilled):
                    caller.escaped("a change of sys.argv, which the ranks share")
        finally:
            TURNS.end(caller)
            del self._mains[id(caller)]
            self._leave()

    def main_of(self, caller: Any) -> dict[str, Any] | None:
        """The globals of the file as that rank runs it."""
        return self._mains.get(id(caller))

    def _compiled(self) -> CodeType:
        try:
            source = Path(self._file).read_bytes()
            if b"torch" in source and find_spec("torch") is not None:
                importlib.import_module("torch")  # A rank has its own state of torch's generator from the start.
            return compile(source, self._file, "exec", dont_inherit=True)
        except OSError as error:
            raise UsageError(f"{self._name}: {error.strerror}") from error
        except (SyntaxError, ValueError) as error:
            raise UsageError(f"{self._name}: {error}") from error

    def _placed(self, word: str, root: str) -> str:
        before, equals, path = word.rpartition("=") if word.startswith("-") else ("", "", word)
        whole = os.path.normpath(os.path.join(self._place, path))
        if not path or (whole != self._watch and not whole.startswith(self._watch + "/")):
            return word
        end = "/" if path.endswith("/") else ""
        return f"{before}{equals}{root}{whole[len(self._watch) :]}{end}"

    def _enter(self, words: list[str]) -> None:
        """The first rank that runs puts in place what is the program's; ``sys.argv`` is the same for all."""
        if not self._running:
            self._before = sys.modules[_MAIN], sys.argv, list(sys.path)
            sys.modules[_MAIN] = _Main(self, sys.modules[_MAIN])
            sys.path.insert(0, self._directory)
            sys.meta_path.insert(0, self._own)
            sys.argv = list(words)
            torch = sys.modules.get("torch")
            if torch is not None:
                self._threads = torch.get_num_threads()
                torch.set_num_threads(1)  # As in a process of its own, where sums are then the same to the last bit.
        self._running += 1

    def _leave(self) -> None:
        self._running -= 1
        if not self._running:
            assert self._before is not None
            sys.modules[_MAIN], sys.argv, sys.path[:] = self._before
            sys.meta_path.remove(self._own)
            if self._threads:
                sys.modules["torch"].set_num_threads(self._threads)
                self._threads = 0


def _close(space: dict[str, Any], raised: BaseException | None) -> None:
    """What the interpreter does with a module's globals at its end: files that are still open are flushed and closed.

    An exception may need the others yet, to say what it is.
    """
    if raised is None or isinstance(raised, SystemExit | RankKilled):
        space.clear()
    for name, value in list(space.items()):
        if isinstance(value, IOBase):
            del space[name]


class _Main(ModuleType):
    """``sys.modules["__main__"]``: for each rank its own, for the rest of the process what was there before."""

    def __init__(self, script: Script, before: ModuleType) -> None:
        super().__init__(_MAIN)
        object.__setattr__(self, "_ckptrace", (script, before))

    def __getattribute__(self, name: str) -> Any:
        space, before = _chosen(self)
        if space is None:
            return getattr(before, name)
        if name == "__dict__":
            return space
        try:
            return space[name]
        except KeyError:
            if name == "__class__":
                return ModuleType
            raise AttributeError(f"module '__main__' has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        space, before = _chosen(self)
        if space is None:
            setattr(before, name, value)
        else:
            space[name] = value

    def __delattr__(self, name: str) -> None:
        space, before = _chosen(self)
        if space is None:
            delattr(before, name)
        elif name in space:
            del space[name]
        else:
            raise AttributeError(name)


def _chosen(main: _Main) -> tuple[dict[str, Any] | None, ModuleType]:
    script, before = object.__getattribute__(main, "_ckptrace")
    caller = current()
    return (None if caller is None else script.main_of(caller)), before


class _OwnModules:
    """A finder for ``sys.meta_path`` that finds nothing, and refuses a rank the import of a module of the program's."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._asking = False

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        """Always None; the import is an escape where some other finder finds source that is not installed."""
        caller = current()
        if caller is None or self._asking:
            return
        self._asking = True
        try:
            spec = _found(name, path, target)
        finally:
            self._asking = False
        if spec is not None and not _is_foreign(spec):
            caller.escaped(f"import of {name}, a module of the program's own, whose globals the ranks would share")


def _is_foreign(spec: ModuleSpec) -> bool:
    """Whether a module is of Python itself or installed; a namespace package has no origin but its directories."""
    if spec.origin is None and spec.submodule_search_locations:
        return all(is_installed(ModuleSpec(spec.name, None, origin=each)) for each in spec.submodule_search_locations)
    return spec.origin in ("built-in", "frozen") or is_installed(spec)


def _found(name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find(name, path, target) if find is not None else None
        if spec is not None:
            return spec
    return None
