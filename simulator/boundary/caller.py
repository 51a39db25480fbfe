"""Who is calling: the rank in whose name ordinary Python code runs at this moment, if any.

The one piece of global mutable state of the project. An engine sets it before it lets a rank run and clears it when
the rank has handed its next operation over; every function that the boundary replaces asks here first.
"""

from __future__ import annotations

from _thread import get_ident
from random import Random
from typing import Any, Protocol

from simulator.filesystems.interface import Attributes
from simulator.operations import Operation


class Caller(Protocol):
    """What the boundary needs of a rank. Engines and the judge's read-only view implement it."""

    rank: int
    hostname: str
    pid: int
    root: str
    """Absolute path under which the simulated file system appears, without a trailing slash."""
    cwd: str
    """Current directory, absolute; below the root at the start."""
    umask: int
    world_size: int
    """The number of ranks of the job."""
    joined: bool
    """Whether the rank has joined the job's process group, without ``init_process_group``, before its code begins."""
    groups: Any
    """What ``torch.distributed`` keeps of the rank (``distributed.world.World``); None until it is first asked."""

    @property
    def environ(self) -> dict[str, str]:
        """The rank's environment variables."""
        ...

    @property
    def random(self) -> Random:
        """The generator behind the module functions of ``random``."""
        ...

    @property
    def entropy(self) -> Random:
        """What the operating system draws for the rank: os.urandom, temporary names, seeds of new generators."""
        ...

    def perform(self, operation: Operation) -> Any:
        """Hand an operation over, wait until it is granted, give its result. Raises OSError without file names."""
        ...

    def clock(self) -> int:
        """The rank's own clock in nanoseconds since the epoch: moved by its operations, sleeps and collectives."""
        ...

    def looked(self, attributes: Attributes, facet: str) -> None:
        """The rank's code has looked at the ``mtime``, the ``ctime`` or the ``links`` of what a stat gave."""
        ...

    def printed(self, text: str) -> bool:
        """The rank writes to a standard stream. False: nobody keeps it, so it goes where the tool's own output goes."""
        ...

    def stuck(self, where: str) -> None:
        """The rank has used up the run's wall time at ``file:line``; the run ends as incomplete."""
        ...

    def escaped(self, call: str) -> None:
        """Code under test tried to reach past the simulation; the run must end with ``Escape`` naming the call."""
        ...


class _Current:
    """The holder of the current caller; one instance, below."""

    __slots__ = ("caller", "thread")

    def __init__(self) -> None:
        self.caller: Caller | None = None
        self.thread = get_ident()


CURRENT = _Current()


def current() -> Caller | None:
    """The rank in whose name this thread runs now, or None: then a replaced function must pass the call through."""
    caller = CURRENT.caller
    if caller is None or CURRENT.thread != get_ident():
        return None
    return caller
