"""The generators of torch and numpy that live in C: the ranks of one process share them, and take turns.

Kept apart for programs run as scripts only, which train: to exchange a state takes about as long as an operation. Where
a generator starts is a function of rank and attempt alone.
"""

from __future__ import annotations

import sys
from random import Random
from typing import Any

from simulator.boundary.caller import Caller


class Turns:
    """Whose state the generators hold. There is one for each process, below."""

    def __init__(self) -> None:
        self._owner: Caller | None = None
        self._before: dict[str, Any] = {}
        self._states: dict[int, dict[str, Any]] = {}

    def begin(self, caller: Caller) -> None:
        """This rank has generators of its own until its ``end``, and it is its turn."""
        if not self._states:
            self._keep()
        self._states[id(caller)] = {}
        self.give(caller)

    def give(self, caller: Caller) -> None:
        """From now on it is this rank that draws, if it has generators of its own."""
        if caller is self._owner or id(caller) not in self._states:
            return
        self._keep()
        self._owner = caller
        states = self._states[id(caller)]
        for name, generator in _generators():
            if name in states:
                generator.set_state(states[name])
            else:
                _seed(generator, Random(f"ckptrace {name} {caller.pid}").getrandbits(32))

    def end(self, caller: Caller) -> None:
        """The rank draws no more. After the last one, the states are those that were there before the first."""
        self._keep()
        self._owner = None
        self._states.pop(id(caller), None)
        if not self._states:
            for name, generator in _generators():
                if name in self._before:
                    generator.set_state(self._before[name])
            self._before = {}

    def _keep(self) -> None:
        states = self._before if self._owner is None else self._states[id(self._owner)]
        if self._owner is None and self._states:
            return
        for name, generator in _generators():
            states[name] = generator.get_state()


TURNS = Turns()


def _generators() -> list[tuple[str, Any]]:
    found = []
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "default_generator"):
        found.append(("torch", torch.default_generator))
    numpy = sys.modules.get("numpy.random.mtrand")
    if numpy is not None and hasattr(numpy, "_rand"):
        found.append(("numpy", numpy._rand))
    return found


def _seed(generator: Any, seed: int) -> None:
    set_seed = getattr(generator, "manual_seed", None) or generator.seed
    set_seed(seed)
