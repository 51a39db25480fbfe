"""A checkpoint's files on a terminal and as an object: names, writers and bytes, and what each rank writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulator.campaigns.scale.sparse_disk import Saved
from simulator.layouts.shards import ShardSpec
from simulator.layouts.summary import Kind, ModelCounts, Totals
from simulator.scenario import Cluster

_NUMBERS = re.compile(r"(\d+)")


class Shapes(msgspec.Struct, frozen=True):
    """What ``ckptrace shapes`` shows. ``model`` is None for a toy layout, which has none."""

    layout: str
    cluster: Cluster
    frozen: bool
    options: dict[str, str | int | bool]
    model: ModelCounts | None
    totals: Totals
    files: list[ShardSpec]


def shapes_object(shown: Shapes, saved: Saved | None = None) -> dict[str, Any]:
    """Plain data, without the files' headers; ``saved`` is what lay on a disk."""
    table: dict[str, Any] = msgspec.to_builtins(shown)
    for file in table["files"]:
        del file["header"]
    table["saved"] = None if saved is None else msgspec.to_builtins(saved)
    table["cluster"]["world_size"] = shown.cluster.world_size
    return table


def print_shapes(console: Console, shown: Shapes, *, every: bool = False) -> None:
    """The figures, files of one kind in a line; with ``every`` each file."""
    model = shown.model
    if model is not None:
        console.print(Text(model.name, style="bold"))
        console.print(
            f"{model.parameters:,} parameters in {model.tensors:,} tensors, {size_said(model.size)} in bfloat16"
        )
        if model.frozen:
            console.print(f"{model.trainable:,} of them trained, {model.frozen:,} frozen")
        if len(model.published_files) > 1:
            console.print(f"published in {len(model.published_files)} files of at most 4 GB")
        console.print()
    cluster, totals = shown.cluster, shown.totals
    console.print(Text(f"{shown.layout} on {cluster.world_size} ranks", style="bold"))
    console.print(f"{totals.files:,} files, {size_said(totals.size)}")
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("role")
    for heading in ("files", "ranks", "bytes each"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("names", overflow="fold")
    for kind in totals.kinds:
        table.add_row(kind.role, f"{kind.files:,}", f"{kind.writers:,}", _each(kind), _names(kind))
    console.print(table)
    console.print()
    for line in _ranks(totals):
        console.print(line)
    if every:
        console.print()
        for spec in shown.files:
            console.print(f"rank {spec.writer:<4}  {spec.size:>15,}  {spec.name}", soft_wrap=True)


def print_saved(console: Console, saved: Saved) -> None:
    """What real processes left on a real disk."""
    console.print()
    console.print(Text(f"saved by {saved.processes} processes, {saved.strategy}, on {saved.filesystem}", style="bold"))
    console.print(f"{saved.files:,} files, {size_said(saved.size)}, of which the disk has {size_said(saved.allocated)}")
    if saved.tensors:
        console.print(f"{saved.tensors:,} tensors in headers that the safetensors library reads")
    for other in saved.others:
        console.print(f"of the strategy's own: {other}", soft_wrap=True)
    for problem in saved.problems:
        console.print(Text(problem, style="bold red"), soft_wrap=True)
    if not saved.problems:
        console.print("every name, size and header is as it should be; no bytes were moved, so this is no timing")


def size_said(size: float) -> str:
    """``27.529 GB``: of 1e9 bytes, with four digits or so."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:,.3f} {unit}"
    return f"{size:,.0f} B"


def _each(kind: Kind) -> str:
    if kind.smallest == kind.largest:
        return size_said(kind.largest)
    return f"{size_said(kind.smallest)} to {size_said(kind.largest)}"


def _names(kind: Kind) -> str:
    """``rng_state_{0..31}.pth``: the first name, with the last one's numbers where they differ."""
    parts = zip(_NUMBERS.split(kind.first), _NUMBERS.split(kind.last), strict=True)
    return "".join(first if first == last else f"{{{first}..{last}}}" for first, last in parts)


def _ranks(totals: Totals) -> Sequence[str]:
    """What each rank writes, ranks that write alike together. Sizes count as alike when they are said alike."""
    lines = []
    ranks = enumerate(zip(totals.by_rank, totals.files_by_rank, strict=True))
    for (said, files), group in groupby(ranks, key=lambda item: (size_said(item[1][0]), item[1][1])):
        numbers = [rank for rank, _ in group]
        who = f"rank {numbers[0]}" if len(numbers) == 1 else f"ranks {numbers[0]} to {numbers[-1]}"
        lines.append(
            f"{who}: {said} in {files} {'file' if files == 1 else 'files'}" + (" each" if len(numbers) > 1 else "")
        )
    return lines
