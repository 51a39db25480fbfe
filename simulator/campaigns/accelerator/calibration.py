"""Measured figures in the form in which cost profiles are read: a scenario file with a table of costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulator.campaigns.accelerator.bandwidth import Measured

KEYS: Mapping[str, str] = {
    "d2h": "device to pinned memory",
    "torch_stream": "torch.save to the disk",
    "safetensors_stream": "safetensors to the disk",
    "write_stream": "plain write(2) to the disk",
    "read_stream": "read(2), not from the cache",
    "node_write": "plain write(2), synced",
}
"""Rates of the cost model, by what was measured for each."""

LATENCIES: Mapping[str, str] = {"fsync": "fsync of a small file"}
"""The same of latencies."""


def overrides(measured: Sequence[Measured]) -> dict[str, float]:
    """The figures that were measured, by the keys of the cost model: GB/s, and seconds for latencies."""
    by_name = {each.name: each for each in measured}
    found = {key: by_name[name].rate for key, name in KEYS.items() if name in by_name}
    found |= {key: by_name[name].seconds for key, name in LATENCIES.items() if name in by_name}
    return {key: value for key, value in found.items() if value > 0}


def as_toml(measured: Sequence[Measured], device: str, profile: str = "local") -> str:
    """A file for ``--costs``, or the beginning of a scenario. ``profile`` has the figures that were not measured."""
    sources = {**KEYS, **LATENCIES}
    lines = [
        f"# Measured by ckptrace gpu on {device}. Rates in GB/s (1e9 bytes a second), latencies in seconds.",
        "# One process at work: node_write is what it gets by itself, several together may get more.",
        "[costs]",
        f'profile = "{profile}"  # what was not measured',
        "",
        "[costs.overrides]",
        *(f"{key} = {value:.6g}  # {sources[key]}" for key, value in overrides(measured).items()),
    ]
    return "\n".join(lines) + "\n"
