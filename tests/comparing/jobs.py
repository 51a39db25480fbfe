"""A small job for comparisons: the real layout of 3B on two nodes, little searching."""

from __future__ import annotations

from simulator.campaigns.comparison import Request
from simulator.scenario import Cluster, CostChoice, FilesystemChoice, Workload

HOUR = 3600.0


def request(**changes: object) -> Request:
    """Of two ranks a node; ``changes`` are fields of the request."""
    values = {
        "cluster": Cluster(2, 2),
        "workload": Workload(
            layout="trainer-zero3", form="size", model="qwen2.5-vl-3b", steps=3, keep=1, step_seconds=0.0
        ),
        "filesystem": FilesystemChoice("shared"),
        "costs": CostChoice("lustre"),
        "mtbf": 462 * HOUR,
        "seconds": 60.0,
        "schedules": 40,
        "classes": 100,
        "at_scale": 4,
        "confirm": False,
        "situations": ("undisturbed", "job-death", "full-disk"),
    }
    return Request(**{**values, **changes})  # type: ignore[arg-type]
