"""Draws what a power loss takes, in the ways that losses are made of: much, little, of one kind, the latest."""

from __future__ import annotations

from random import Random

from simulator.filesystems.durability.history import members
from simulator.filesystems.durability.micro_operations import NameChange
from simulator.filesystems.durability.ordering import Ordering
from simulator.filesystems.durability.states import generators


def drawn_losses(ordering: Ordering, seed: int) -> int:
    """The fewest micro-operations whose loss is what is lost; nothing where nothing can be."""
    random = Random(seed)
    pending = members(ordering.pending)
    if not pending:
        return 0
    names = [index for index in pending if isinstance(ordering.records[index].what, NameChange)]
    rest = [index for index in pending if index not in names]
    way = random.randrange(6)
    if way == 0:
        chosen = pending
    elif way == 1:
        chosen = [random.choice(pending)]
    elif way == 2:
        chosen = rest
    elif way == 3:
        chosen = names
    elif way == 4:
        chosen = pending[random.randrange(len(pending)) :]
    else:
        share = random.choice((0.1, 0.5, 0.9))
        chosen = [index for index in pending if random.random() < share]
    lost = ordering.dependent(sum(1 << index for index in chosen)) if chosen else 0
    return generators(ordering, lost)
