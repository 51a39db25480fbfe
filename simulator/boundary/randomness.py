"""Randomness as a rank sees it, from two streams of its own.

``caller.random`` is the hidden generator behind the functions of ``random``; code may seed it. ``caller.entropy`` is
what the operating system gives: os.urandom, getrandom, uuid, the names of temporary files, and the seeds of
generators that are made without one. They are apart, since code that seeds ``random`` alike on all ranks must not get
equal temporary names from that.
"""

from __future__ import annotations

import os
import random
import tempfile
from random import Random
from typing import Any, Final

from simulator.boundary.caller import CURRENT, Caller
from simulator.boundary.calls import Simulated
from simulator.boundary.identity import environment_of
from simulator.originals import RANDOM

_seed = Random.seed
_SEED_BITS = 256
_gettempdir = tempfile._gettempdir  # type: ignore[attr-defined]


def entropy_of(caller: Caller) -> Random:
    """The rank's source of what the operating system draws. Made at the first use, outside the simulation."""
    CURRENT.caller = None
    try:
        return caller.entropy
    finally:
        CURRENT.caller = caller


def generator_of(caller: Caller) -> Random:
    """The generator behind the rank's functions of ``random``. Made at the first use, outside the simulation."""
    CURRENT.caller = None
    try:
        return caller.random
    finally:
        CURRENT.caller = caller


def urandom(caller: Caller, size: int) -> bytes:
    """As ``os.urandom``."""
    if size < 0:
        raise ValueError("negative argument not allowed")
    return entropy_of(caller).randbytes(size)


def getrandom(caller: Caller, size: int, flags: int = 0) -> bytes:
    """As ``os.getrandom``."""
    return urandom(caller, size)


def seed(caller: Caller, generator: Random, a: Any = None, version: int = 2) -> None:
    """As ``Random.seed``: without a seed, from the rank's own entropy."""
    _seed(generator, entropy_of(caller).getrandbits(_SEED_BITS) if a is None else a, version)


def temporary_name(caller: Caller, sequence: Any) -> str:
    """The next candidate for the name of a temporary file; ``tempfile`` keeps one generator for all ranks."""
    return "".join(entropy_of(caller).choices(sequence.characters, k=8))


def temporary_directory(caller: Caller) -> str:
    """As ``tempfile`` finds it, from the rank's own environment, but without trying it out by writing there."""
    if tempfile.tempdir is None or tempfile.tempdir == _default_directory:
        environ = environment_of(caller)
        for name in ("TMPDIR", "TEMP", "TMP"):
            if environ.get(name):
                return environ[name] if environ[name].startswith("/") else os.path.abspath(environ[name])
    directory: str = _gettempdir()
    return directory


def time_based_identity(caller: Caller) -> tuple[bytes, int | None]:
    """As the C function behind ``uuid.uuid1``: 16 bytes from the rank's clock and entropy, safe to be unique."""
    ticks = caller.clock() // 100 + 0x01B21DD213814000
    entropy = entropy_of(caller)
    fields = (
        (ticks & 0xFFFFFFFF).to_bytes(4, "big") + ((ticks >> 32) & 0xFFFF).to_bytes(2, "big")
        + ((ticks >> 48) & 0x0FFF | 0x1000).to_bytes(2, "big") + (entropy.getrandbits(14) | 0x8000).to_bytes(2, "big")
    )  # fmt: skip
    return fields + entropy.randbytes(6), 0


def _method(name: str) -> Simulated:
    def call(caller: Caller, *arguments: Any, **keywords: Any) -> Any:
        return getattr(generator_of(caller), name)(*arguments, **keywords)

    call.__name__ = name
    call.__doc__ = f"As ``random.{name}``, from the rank's own generator."
    return call


_default_directory = tempfile.gettempdir()

FUNCTIONS: Final[dict[str, Simulated]] = {
    "os:urandom": urandom,
    "os:getrandom": getrandom,
    "tempfile:_gettempdir": temporary_directory,
    "uuid:_generate_time_safe": time_based_identity,
    **{f"random:{name}": _method(name) for name in RANDOM if not name.startswith("_") and hasattr(random, name)},
}

METHODS: Final[dict[str, Simulated]] = {
    "random:Random.seed": seed,
    "tempfile:_RandomNameSequence.__next__": temporary_name,
}
