"""By time: the operation that ends first goes first, as on the cluster that the cost profile describes.

This is the order of a discrete-event simulation, and the undisturbed run of a scenario with costs. Nothing in it is
drawn; what varies it is which ranks are slow, and who dies.
"""

from __future__ import annotations

from simulator.run import Frontier


class ByTime:
    """Grants the task whose pending operation ends first."""

    def begin(self, attempt: int) -> None:
        """Nothing is kept from one attempt to the next."""

    def choose(self, frontier: Frontier, last: int) -> int:
        """The task that is through first. Raises UsageError when no costs are charged: then nothing takes time."""
        return frontier.earliest()
