"""What an operation costs on one cluster: plain figures, from a named profile or a scenario.

The profiles are in ``simulator/data/cost_profiles.toml``, where each figure has its source.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from simulator.errors import UsageError

LATENCIES = ("metadata_read", "metadata_write", "data_call", "fsync", "close", "collective_hop")
RATES = (
    "write_stream", "read_stream", "safetensors_stream", "torch_stream",
    "node_write", "node_read", "total_write", "total_read", "nic", "d2h", "node_d2h", "collective_timeout",
)  # fmt: skip


class CostModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What operations cost on one cluster. Latencies in seconds; rates in GB/s (1e9 bytes a second, inf: no limit).

    ``metadata_read``       stat, access, readlink, readdir, statvfs, and an open that creates nothing
    ``metadata_write``      an open that may create, mkdir, rmdir, unlink, rename, link, chmod, truncate, lock …
    ``data_call``           a read or write before its first byte
    ``fsync``, ``close``    these calls; data still in a cache is not charged to them but to the write
    ``collective_hop``      one of the ceil(log2 n) rounds of a collective of n ranks
    ``write_stream``        one process, plain write(2); ``read_stream`` likewise
    ``safetensors_stream``  one process serialising through safetensors; ``torch_stream`` through torch.save
    ``node_write``          all processes of a node together, in its file system client; ``node_read`` likewise
    ``total_write``         the whole file system; ``total_read`` likewise
    ``nic``                 the network cards of a node that lead to the file system, each direction for itself;
                            also what one rank gets from the others in a collective
    ``d2h``                 one process copying from its accelerator to pinned host memory
    ``node_d2h``            all processes of a node doing that at once
    ``collective_timeout``  seconds after which a collective that is not complete ends the job (inf: never)

    Writers share the caps fairly (max-min); readers and writers do not slow each other. A write by ``torch.save`` or
    safetensors has its copy from the accelerator in its rate, as these were measured with it.
    """

    metadata_read: float
    metadata_write: float
    data_call: float
    fsync: float
    close: float
    collective_hop: float
    write_stream: float
    read_stream: float
    safetensors_stream: float
    torch_stream: float
    node_write: float
    node_read: float
    total_write: float
    total_read: float
    nic: float
    d2h: float
    node_d2h: float
    collective_timeout: float

    @property
    def write_cap(self) -> float:
        """What all processes of a node together can write, in GB/s."""
        return min(self.node_write, self.nic)

    @property
    def read_cap(self) -> float:
        """What all processes of a node together can read, in GB/s."""
        return min(self.node_read, self.nic)

    def snapshot_seconds(self, size: int, on_node: int) -> float:
        """What a process takes to copy ``size`` bytes to host memory while ``on_node`` of its node do the same."""
        return size / 1e9 / min(self.d2h, self.node_d2h / on_node)

    def validate(self) -> None:
        """Raise UsageError, naming the key, for a negative or infinite latency and for a rate that is not positive."""
        for key in LATENCIES:
            value = getattr(self, key)
            if not 0.0 <= value < math.inf:
                raise UsageError(f"costs.{key}: must be a finite number of seconds, not negative, is {value}")
        for key in RATES:
            value = getattr(self, key)
            if not value > 0.0:
                unit = "seconds" if key == "collective_timeout" else "GB/s"
                raise UsageError(f"costs.{key}: must be a positive number of {unit}, is {value}")


BASE = "base"
"""The table of the file whose figures hold where a profile has none of its own; not a profile itself."""


@cache
def _tables() -> dict[str, dict[str, Any]]:
    text = files("simulator").joinpath("data/cost_profiles.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def profile_names() -> list[str]:
    """The names of all profiles, sorted."""
    return sorted(name for name in _tables() if name != BASE)


def cost_model(profile: str, overrides: Mapping[str, float] | None = None) -> CostModel:
    """The figures of a profile, some of them overridden. Raises UsageError for an unknown profile or key."""
    if profile not in profile_names():
        raise UsageError(f"costs.profile: unknown profile {profile!r}; there are {', '.join(profile_names())}")
    figures = {**_tables()[BASE], **_tables()[profile], **(overrides or {})}
    for key in figures:
        if key not in CostModel.__struct_fields__:
            raise UsageError(
                f"costs.overrides: unknown key {key!r}; there are {', '.join(CostModel.__struct_fields__)}"
            )
    try:
        model = msgspec.convert(figures, CostModel)
    except msgspec.ValidationError as error:
        raise UsageError(f"costs: {error}") from error
    model.validate()
    return model


DEFAULT = "lustre"
"""The profile for a file system that has none of its own name."""


def profile_for(filesystem: str) -> str:
    """The cost profile that goes with a file system's profile: the one of its name, where there is one."""
    return filesystem if filesystem in profile_names() else DEFAULT
