"""What must hold, and the evidence when it does not."""

from simulator.invariants.judge import Judge
from simulator.invariants.violation import Violation, at_end

__all__ = ["Judge", "Violation", "at_end"]
