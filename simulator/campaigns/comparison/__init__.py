"""Strategies compared for somebody who has to choose one: what each survives, and what it costs at the job's size."""

from simulator.campaigns.comparison.campaign import compare
from simulator.campaigns.comparison.outcome import Cell, Compared, Comparison, Economy, Finding, Measured, Request

__all__ = ["Cell", "Compared", "Comparison", "Economy", "Finding", "Measured", "Request", "compare"]
