"""The command as a process of its own, which can be killed at a moment that its progress tells."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from simulator.campaigns.fuzzing.corpus import Shelf
from simulator.invariants import Violation
from simulator.trace import load


def start(directory: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    """``ckptrace fuzz`` in a directory, in a process group of its own, its standard error a pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", "ckptrace", "fuzz", *map(str, arguments)],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_line(process: subprocess.Popen[str], begins: str, count: int = 1) -> list[str]:
    """The lines of standard error up to the ``count``-th that begins like this, or the last one."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        count -= line.startswith(begins)
        if not count:
            break
    return lines


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What is still to be read of a process that ends: standard output, and standard error.

    Not by ``communicate``, which would pass over what was read ahead of the lines that were waited for.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        errors = process.stderr.read()
        return process.stdout.read(), errors


def wait_until(process: subprocess.Popen[str], reached: Callable[[], bool]) -> None:
    """Look at what is on disk, again and again, until it is as wanted or the process has ended."""
    while not reached() and process.poll() is None:
        os.sched_yield()


def files_below(directory: Path) -> int:
    """How many files there are, those that are being written included."""
    return sum(len(names) for _, _, names in os.walk(directory))


def shelves(corpus: Path) -> dict[str, Shelf]:
    """What a corpus holds, by the name of the scenario."""
    return {path.name.rpartition("-")[0]: Shelf(path) for path in corpus.iterdir() if path.is_dir()}


def assert_nothing_told_is_lost(corpus: Path, told: list[str], directory: Path) -> int:
    """All that a corpus holds can be read, and each failure that whole lines tell of is there; gives how many."""
    kept = shelves(corpus) if corpus.is_dir() else {}
    signatures = {name: {found.broken.signature for found in shelf.found()} for name, shelf in kept.items()}
    for shelf in kept.values():
        shelf.tapes()
        shelf.progress()
    count = 0
    for line in told:
        if not line.endswith("\n"):
            continue
        found = re.match(r"found +(\S+): ([\w-]+): (.*) \((schedule \d+, \S+|again)\)$", line)
        if found is not None:
            name, invariant, message, _ = found.groups()
            assert Violation(invariant, message).signature in signatures[name.replace(":", "-")], line
            count += 1
        minimised = re.match(r"minimised +\S+: .*ckptrace replay (\S+)$", line)
        if minimised is not None:
            assert load(directory / minimised.group(1)).verdict is not None
            count += 1
    return count
