"""What the ranks that had not ended did last, when a run was broken off: often they poll for something."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from simulator.engines.interface import Step
from simulator.narration import ranks_in_words
from simulator.operations import Open, paths_of


def unfinished_in_words(steps: Sequence[Step], ended: Collection[int], world_size: int) -> str:
    """Each rank that has not ended with its last held call, and how often it made that one in all."""
    said, silent = [], []
    for rank in range(world_size):
        if rank in ended:
            continue
        calls = _calls(step for step in steps if step.rank == rank)
        if not calls:
            silent.append(rank)
            continue
        count = calls.count(calls[-1])
        times = f" (made {count:,} times)" if count > 1 else ""
        said.append(f"the last call of rank {rank} is {calls[-1]}{times}")
    if silent:
        said.append(f"{ranks_in_words(silent)} made no call that was held")
    return "; ".join(said)


def _calls(steps: Iterable[Step]) -> list[str]:
    """The calls of one rank in words; one by a descriptor with the path by which that was opened."""
    opened: dict[int, str] = {}
    calls = []
    for step in steps:
        operation = step.operation
        paths: Sequence[str] = paths_of(operation)
        if not paths and (path := opened.get(getattr(operation, "fd", -1))) is not None:
            paths = (path,)
        calls.append(" ".join([type(operation).__name__.lower(), *paths]))
        if isinstance(operation, Open) and isinstance(step.value, int):
            opened[step.value] = operation.path
    return calls
