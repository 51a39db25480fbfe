"""What was measured with one shard on one device, on a terminal and as an object."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulator.campaigns.accelerator import DeviceReport
from simulator.campaigns.accelerator.bandwidth import overrides
from simulator.campaigns.accelerator.overlapping import Overlapped


def device_object(report: DeviceReport) -> dict[str, Any]:
    """Plain data; ``overrides`` are the figures by the keys of the cost model."""
    table: dict[str, Any] = msgspec.to_builtins(report)
    for each, measured in zip(table["measured"], report.measured, strict=True):
        each["rate"] = measured.rate
    return {**table, "overrides": overrides(report.measured)}


def print_device(console: Console, report: DeviceReport) -> None:
    """The figures beside their yardsticks, and whether the content was right."""
    console.print(Text(report.device, style="bold"))
    console.print(f"the shard of one of {report.world_size} ranks, {report.size / 1e9:.3f} GB, on {report.filesystem}")
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for heading in ("GB", "seconds", "GB/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("beside")
    rates = {measured.name: measured.rate for measured in report.measured}
    for measured in report.measured:
        beside = ""
        if measured.yardstick is not None and rates.get(measured.yardstick):
            beside = f"{measured.rate / rates[measured.yardstick]:.0%} of {measured.yardstick}"
        table.add_row(
            measured.name, f"{measured.size / 1e9:.3f}", f"{measured.seconds:.3f}", f"{measured.rate:.2f}", beside
        )
    console.print(table)
    console.print()
    saved = report.saved
    right = "read back as it was saved" if not saved.wrong else f"{saved.wrong} chunks are wrong"
    console.print(f"{saved.strategy}, {saved.simulated} ranks simulated beside it: {right}")
    for overlapped in report.overlapped:
        console.print(_said(overlapped))
    for problem in report.problems:
        console.print(Text(problem, style="bold red"), soft_wrap=True)


def _said(overlapped: Overlapped) -> str:
    steps = f"{overlapped.steps} steps changed every element while it was saved"
    wrong = f"{overlapped.wrong} of {overlapped.chunks} chunks"
    if overlapped.ordered:
        return f"asynchronous save: {steps}; the first waited {overlapped.stalled:.2f} s; {wrong} differ"
    return f"the same without order, as a control: {steps}; {wrong} differ"
