"""The crash model: what is left on the disk when the power fails.

A ``DurableModel`` acts as the POSIX model and keeps a log of micro-operations beside it. An ``Ordering`` says by a
``Persistence`` profile which of them are durable for certain and which need others; every downward-closed set of them
is a state that a power loss can leave. Data that is still in a user-space buffer was never written, so it is in none.
"""

from simulator.filesystems.durability.affected import Affected
from simulator.filesystems.durability.choosing import durable_of, with_disk
from simulator.filesystems.durability.drawing import drawn_losses
from simulator.filesystems.durability.model import Change, DurableModel
from simulator.filesystems.durability.ordering import Ordering
from simulator.filesystems.durability.persistence import PROFILES, Persistence, persistence_named
from simulator.filesystems.durability.states import Telling, downward_closed, generators
from simulator.filesystems.durability.wording import losses_in_words

__all__ = [
    "PROFILES",
    "Affected",
    "Change",
    "DurableModel",
    "Ordering",
    "Persistence",
    "Telling",
    "downward_closed",
    "drawn_losses",
    "durable_of",
    "generators",
    "losses_in_words",
    "persistence_named",
    "with_disk",
]
