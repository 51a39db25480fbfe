"""The conformance suite: a test class that any checkpoint strategy subclasses to have every invariant tested.

With a strategy ``Ours``, this is all that a test module needs::

    from simulator.conformance import CheckpointConformance

    class TestOurs(CheckpointConformance):
        strategy = Ours
"""

from simulator.conformance.suite import SITUATIONS, CheckpointConformance

__all__ = ["SITUATIONS", "CheckpointConformance"]
