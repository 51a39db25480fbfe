"""What ``torch.distributed`` keeps of its process, once for each rank."""

from __future__ import annotations

from typing import Any


class World:
    """The process groups of one rank, under the names that torch's ``_World`` has for them.

    ``generation`` counts how often a default group was destroyed, so that the collectives of the next one are not taken
    for its. ``given``: the default group is there without ``init_process_group``, which may be called all the same.
    """

    def __init__(self) -> None:
        self.default_pg: Any = None
        self.pg_map: dict[Any, Any] = {}
        self.pg_names: dict[Any, str] = {}
        self.pg_group_ranks: dict[Any, dict[int, int]] = {}
        self.pg_backend_config: dict[Any, str] = {}
        self.group_count = 0
        self.tags_to_pg: dict[str, list[Any]] = {}
        self.pg_to_tag: dict[Any, str] = {}
        self.pg_coalesce_state: dict[Any, list[Any]] = {}
        self.pg_default_device: dict[Any, Any] = {}  # Of torch up to 2.5, by the object collectives.
        self.comms: list[Any] = []
        self.generation = 0
        self.given = False
        self.by_name: dict[str, Any] = {}

    @property
    def pg_config_info(self) -> list[dict[str, Any]]:
        """As torch's: what its debugging shows of each group."""
        size = self.default_pg.size()
        return [
            {
                "pg_name": self.pg_names[group],
                "pg_desc": group.group_desc,
                "backend_config": self.pg_backend_config[group],
                "ranks": list(ranks) if len(ranks) != size else [],
                "group_size": len(ranks),
                "group_count": self.group_count,
            }
            for group, ranks in ((group, self.pg_group_ranks[group]) for group in self.pg_map)
        ]
