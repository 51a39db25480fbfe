"""The jobs that a strategy has to hold in, small enough for hundreds of schedules each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from simulator.faults import Faults
from simulator.scenario import Cluster, Scenario, Workload

SITUATIONS: Mapping[str, Scenario] = MappingProxyType(
    {
        "2 nodes": Scenario(cluster=Cluster(2, 1), workload=Workload(steps=3, keep=1)),
        "2 nodes of 2 ranks, sharded": Scenario(cluster=Cluster(2, 2), workload=Workload(layout="zero", keep=1)),
        "best kept": Scenario(workload=Workload(steps=4, keep=1, best=1)),
        "1 node, several kept": Scenario(cluster=Cluster(1, 2), workload=Workload(steps=4, keep=2, best=2)),
        "restarted": Scenario(workload=Workload(steps=2, keep=1), restarts=1),
        "a rank killed": Scenario(workload=Workload(steps=3, keep=1, best=1), faults=Faults(kills=1), restarts=1),
        "a node killed": Scenario(
            cluster=Cluster(2, 2), workload=Workload(layout="zero", keep=1), faults=Faults(node_kills=1), restarts=1
        ),
    }
)
"""By name. That the job dies at any instant is part of each of them (``Faults.job_death``)."""
