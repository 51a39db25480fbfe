"""What one simulated rank has of its own: clock, random stream, environment, current directory, descriptors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from simulator.boundary.remedies import remedy_for
from simulator.clock import SECOND, Clock
from simulator.engines.frames import SIMULATOR, is_under_test, worth_naming
from simulator.engines.watchdog import Stuck
from simulator.errors import CannotDo, Escape
from simulator.filesystems import Attributes
from simulator.interposition.target.ckptrace_shown import SHOWN, is_installed
from simulator.operations import Operation


class Journal(Protocol):
    """Where a rank's process notes what is no operation."""

    def record_save(self, rank: int, step: int, began: int, ended: int) -> None:
        """The save of ``step`` has returned on this rank; from when to when it took, in nanoseconds."""
        ...

    def record_resume(self, rank: int, step: int, name: str) -> None:
        """The rank has resumed from the checkpoint of that name and step."""
        ...

    def record_look(self, rank: int, attributes: Attributes, facet: str) -> None:
        """The rank read the ``mtime``, the ``ctime`` or the ``links`` of what one of its stats gave."""
        ...

    def record_output(self, rank: int, text: str) -> None:
        """The rank has written that to a standard stream."""
        ...

    def abort(self, error: CannotDo) -> None:
        """End the run with this error, even if code under test swallows it; the first one counts."""
        ...


class Host(Protocol):
    """What executes the code of a process, as the process sees it."""

    @property
    def journal(self) -> Journal:
        """Where the process notes what is no operation."""
        ...

    def hand_over(self, process: SimulatedProcess, operation: Operation) -> Any:
        """Called by the process's code: wait until the operation is granted and carried out, give its result."""
        ...

    def spawn(self, process: SimulatedProcess, function: Callable[[], Any]) -> Any:
        """Start a background task of the process."""
        ...


class SimulatedProcess:
    """The state of one rank outside its code; implements ``boundary.caller.Caller`` and ``rank.Process``.

    ``number`` is the rank's identity towards the file system. ``running`` is the number, among the clocks, of that task
    of it whose code runs. With ``shows_output`` what it prints is not kept, but goes where the tool's own output goes.
    """

    __slots__ = (
        "_clock",
        "_entropy",
        "_environ",
        "_host",
        "_random",
        "_saving",
        "attempt",
        "cwd",
        "dead",
        "groups",
        "hostname",
        "joined",
        "local_index",
        "node",
        "number",
        "pid",
        "rank",
        "ranks_per_node",
        "root",
        "running",
        "shows_output",
        "site",
        "spawned",
        "umask",
        "world_size",
    )

    def __init__(
        self,
        host: Host,
        rank: int,
        *,
        nodes: int,
        ranks_per_node: int,
        root: str,
        attempt: int,
        clock: Clock,
        shows_output: bool = False,
    ) -> None:
        self._host = host
        self._clock = clock
        self._saving = 0
        self.rank = rank
        self.number = rank
        self.node, self.local_index = divmod(rank, ranks_per_node)
        self.ranks_per_node = ranks_per_node
        self.world_size = nodes * ranks_per_node
        self.root = root
        self.cwd = root
        self.umask = 0o022
        self.attempt = attempt
        self.hostname = f"node{self.node}"
        self.pid = 1000 * (attempt + 1) + rank
        self.running = rank
        self.dead = False
        self.shows_output = shows_output
        self.spawned = 0
        self.joined = True
        self.groups: Any = None
        self.site: str | None = None
        self._random: Random | None = None
        self._entropy: Random | None = None
        self._environ: dict[str, str] | None = None

    @property
    def random(self) -> Random:
        """The generator behind the module functions of ``random``; code under test may seed it.

        Where it starts is a function of rank and attempt alone, whatever the schedule.
        """
        if self._random is None:
            self._random = Random(f"ckptrace {self.attempt} {self.rank}")
        return self._random

    @property
    def entropy(self) -> Random:
        """What the operating system draws for the rank; a stream that nothing but the rank's own draws moves on."""
        if self._entropy is None:
            self._entropy = Random(f"ckptrace entropy {self.attempt} {self.rank}")
        return self._entropy

    @property
    def environ(self) -> dict[str, str]:
        """The rank's environment: this process's, with the variables that torchrun sets."""
        if self._environ is None:
            self._environ = {
                **os.environ,
                **torchrun_environment(self.rank, self.world_size, self.ranks_per_node, self.attempt),
            }
        return self._environ

    def perform(self, operation: Operation) -> Any:
        """Hand over one operation and wait for its result."""
        return self._host.hand_over(self, operation)

    def spawn(self, function: Callable[[], Any]) -> Any:
        """Start a background task of this rank."""
        return self._host.spawn(self, function)

    @property
    def time(self) -> int:
        """The time, in nanoseconds since the Unix epoch, for the task that runs."""
        return self._clock.times[self.running]

    @time.setter
    def time(self, moment: int) -> None:
        self._clock.times[self.running] = moment

    def elapse(self, seconds: float) -> None:
        """Compute for some time."""
        self._clock.advance(self.running, int(seconds * SECOND))

    def clock(self) -> int:
        """What the task that runs reads from its node's clock, in nanoseconds since the Unix epoch."""
        return self._clock.read(self.running, self.node)

    def saving(self) -> None:
        """A save begins on this rank."""
        self._saving = self.time

    def saved(self, step: int) -> None:
        """The save of ``step`` has returned on this rank. Where no ``saving`` went before, it has taken no time."""
        if not self.dead:
            began, self._saving, ended = self._saving, 0, self.time
            self._host.journal.record_save(self.rank, step, began or ended, ended)

    def resumed(self, step: int, name: str) -> None:
        """This rank has resumed from the checkpoint of that name and step."""
        if not self.dead:
            self._host.journal.record_resume(self.rank, step, name)

    def looked(self, attributes: Attributes, facet: str) -> None:
        """The rank read the ``mtime``, the ``ctime`` or the ``links`` of what one of its stats gave."""
        self._host.journal.record_look(self.rank, attributes, facet)

    def printed(self, text: str) -> bool:
        """The rank writes to a standard stream; gives whether that is kept."""
        if not self.shows_output and not self.dead:
            self._host.journal.record_output(self.rank, text)
        return not self.shows_output

    def stuck(self, where: str) -> None:
        """The wall time is used up while this rank runs at ``file:line``."""
        text = f"the wall time is used up; rank {self.rank} was at {where}"
        self._host.journal.abort(Stuck(text))

    def escaped(self, call: str) -> None:
        """Report an escape, where it was tried and what to do instead, and do not let the call happen."""
        site, remedy = source_site(), remedy_for(call, calling_library())
        text = f"rank {self.rank} reached past the simulation: {call}"
        error = Escape(text + (f", at {site}" if site else "") + (f"; {remedy}" if remedy else ""))
        self._host.journal.abort(error)
        raise error


def torchrun_environment(rank: int, world_size: int, ranks_per_node: int, attempt: int) -> dict[str, str]:
    """The variables that torchrun gives to a worker (torch.distributed.run, section Environment Variables)."""
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(world_size),
        "LOCAL_RANK": str(rank % ranks_per_node),
        "LOCAL_WORLD_SIZE": str(ranks_per_node),
        "GROUP_RANK": str(rank // ranks_per_node),
        "ROLE_RANK": str(rank),
        "ROLE_WORLD_SIZE": str(world_size),
        "ROLE_NAME": "default",
        "MASTER_ADDR": "node0",
        "MASTER_PORT": "29500",
        "TORCHELASTIC_RESTART_COUNT": str(attempt),
        "TORCHELASTIC_MAX_RESTARTS": "3",
        "TORCHELASTIC_RUN_ID": "ckptrace",
    }


def calling_library() -> str | None:
    """The installed module, not of Python or the simulator, that calls this; None where code under test does."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if is_under_test(name) and not is_installed(name):
            return None
        module = str(frame.f_globals.get("__name__", ""))
        if not name.startswith((SIMULATOR, "<")) and module.partition(".")[0] not in sys.stdlib_module_names:
            return module
        frame = frame.f_back  # type: ignore[assignment]
    return None


def source_site() -> str | None:
    """``file:line`` of the code under test that is about to do an operation.

    The innermost frame that ``worth_naming`` shows, installed or not; failing that, the innermost one of a package that
    serves others, then any outside the simulator.
    """
    frame = sys._getframe(1)
    serving = fallback = None
    while frame is not None:
        name = frame.f_code.co_filename
        worth = worth_naming(name)
        if worth == SHOWN:
            return f"{name}:{frame.f_lineno}"
        if worth and serving is None:
            serving = f"{name}:{frame.f_lineno}"
        if fallback is None and not name.startswith(SIMULATOR):
            fallback = f"{name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return serving or fallback
