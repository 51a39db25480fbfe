"""What the ranks of a job run and where, whichever engine runs it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from simulator.clock import Clock
from simulator.engines.interface import Program
from simulator.engines.process import Host, SimulatedProcess
from simulator.rank import Rank

FreshStates = Callable[[int], Callable[[int], Any]]
"""Rank -> step -> an empty state of that step with what the rank must load to resume there."""


class RankPrograms(msgspec.Struct, frozen=True):
    """One program for each rank of a cluster of ``nodes``; ``root`` is where they find the file system.

    What they print is kept with the run; with ``show_output`` it goes where the tool's own output goes.
    """

    programs: tuple[Program, ...]
    nodes: int
    root: str
    fresh_states: FreshStates | None = None
    show_output: bool = False

    @property
    def world_size(self) -> int:
        """The number of ranks."""
        return len(self.programs)

    @property
    def ranks_per_node(self) -> int:
        """The number of ranks of each node."""
        return self.world_size // self.nodes

    def process(self, host: Host, rank: int, attempt: int, clock: Clock) -> SimulatedProcess:
        """What a rank has of its own in an attempt; ``clock`` is that of the job."""
        return SimulatedProcess(
            host,
            rank,
            nodes=self.nodes,
            ranks_per_node=self.ranks_per_node,
            root=self.root,
            attempt=attempt,
            clock=clock,
            shows_output=self.show_output,
        )

    def main(self, process: SimulatedProcess) -> Callable[[], Any]:
        """The code of a rank's main task."""
        rank = Rank(
            process,
            index=process.rank,
            nodes=self.nodes,
            ranks_per_node=process.ranks_per_node,
            root=_path(self.root),
            attempt=process.attempt,
            fresh_state=self.fresh_states(process.rank) if self.fresh_states is not None else None,
        )
        program = self.programs[process.rank]
        return lambda: program(rank)


_path = lru_cache(Path)
"""All ranks share one path to the root: what a path knows of itself, such as its text, is worked out once."""
