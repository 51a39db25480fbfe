"""What operations take: figures by cluster, durations, bandwidth shared fairly, and sums by rank and node."""

from simulator.costs.durations import Durations
from simulator.costs.model import CostModel, cost_model, profile_names
from simulator.costs.timeline import Timeline
from simulator.costs.usage import NodeUsage, RankUsage, Usage

__all__ = ["CostModel", "Durations", "NodeUsage", "RankUsage", "Timeline", "Usage", "cost_model", "profile_names"]
