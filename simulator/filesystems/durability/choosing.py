"""The crash model that a scenario asks for."""

from __future__ import annotations

from typing import Any

from simulator.errors import UsageError
from simulator.filesystems.durability.model import DurableModel
from simulator.filesystems.durability.persistence import persistence_named
from simulator.filesystems.posix.model import PosixModel
from simulator.scenario import FilesystemChoice


def with_disk(filesystem: Any, choice: FilesystemChoice, ranks_per_node: int) -> DurableModel:
    """An empty file system that knows what of it is on the disk. Raises UsageError for one that has no crash model."""
    if not isinstance(filesystem, PosixModel):
        raise UsageError(
            f"faults.power_losses: the file system {choice.profile} has no crash model; use local or shared"
        )
    persistence = persistence_named(choice.durability, choice.persistence_options)
    return DurableModel(persistence, ranks_per_node, filesystem)


def durable_of(filesystem: Any) -> DurableModel | None:
    """What knows which of a file system is on the disk, if anything does."""
    below = getattr(filesystem, "server", filesystem)  # What the views of the nodes are of.
    return below if isinstance(below, DurableModel) else None
