"""What it takes to read a checkpoint back, beyond looking at names: the bytes of every rank, all at once."""

from __future__ import annotations

from collections.abc import Sequence

from simulator.costs.model import CostModel
from simulator.costs.timeline import Timeline
from simulator.layouts.shards import ShardSpec
from simulator.operations import Read

_ANY_DESCRIPTOR = 1 << 30


def bytes_read(specs: Sequence[ShardSpec], world_size: int, ranks_per_node: int) -> list[int]:
    """What each rank of a resumed job fetches from the file system.

    A file that all ranks need is fetched once by each node: its other ranks find it in the page cache, so each is
    taken to fetch an equal part.
    """
    shared = sum(spec.size for spec in specs if spec.readers is None)
    own = [0] * world_size
    for spec in specs:
        for reader in spec.readers or ():
            own[reader] += spec.size
    return [size + shared // ranks_per_node for size in own]


def load_seconds(model: CostModel, sizes: Sequence[int], ranks_per_node: int) -> float:
    """Seconds until every rank has read so many bytes, when all begin at once."""
    timeline = Timeline(model, ranks_per_node)
    for rank, size in enumerate(sizes):
        timeline.begin(rank, rank, Read(_ANY_DESCRIPTOR, -1), 0, size=size)
    while (found := timeline.next_completion()) is not None:
        timeline.finish(found[0])
    return timeline.now / 1e9
