"""What the boundary costs beside an operation, printed beside the same calls made for real on the same machine."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.boundary import installed
from simulator.filesystems.interface import Attributes
from simulator.operations import AccessCheck, Mkdir, Open, Operation, Readdir, Seek, Stat, Write
from simulator.originals import TIME
from tests.boundary.direct import ROOT, DirectCaller, running

ANSWERS: dict[type[Operation], Any] = {
    Stat: Attributes(0o040755, 2, 1, 3), Open: 1 << 30, AccessCheck: True, Seek: 0, Readdir: (("a", 0o100000, 3),),
}  # fmt: skip
CALLS = 50_000


class Instant(DirectCaller):
    """A rank for which an operation costs nothing and changes nothing."""

    def perform(self, operation: Operation) -> Any:
        return len(operation.data) if type(operation) is Write else ANSWERS.get(type(operation))


def calls(directory: str) -> dict[str, Callable[[], Any]]:
    name, file = f"{directory}/d", f"{directory}/f"

    def save() -> None:
        with open(file, "wb") as opened:
            opened.write(b"content")

    def make() -> None:
        os.mkdir(name)
        os.rmdir(name)

    def turn() -> None:
        os.rename(file, name)
        os.rename(name, file)

    return {
        "mkdir and rmdir": make, "stat": lambda: os.stat(directory), "exists": lambda: os.path.exists(directory),
        "rename and back": turn, "listdir": lambda: os.listdir(directory), "open, write, close": save,
    }  # fmt: skip


def microseconds(call: Callable[[], Any]) -> float:
    clock = TIME["perf_counter"]
    best = float("inf")
    for _ in range(3):
        start = clock()
        for _ in range(CALLS // 5):
            call()
        best = min(best, clock() - start)
    return float(best / (CALLS // 5) * 1e6)


@pytest.mark.bench
def test_the_boundary_costs_no_more_than_half_as_much_again_as_the_real_calls() -> None:
    memory = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp") / f"ckptrace-bench-{os.getpid()}"
    memory.mkdir()
    (memory / "f").touch()
    gc.disable()
    try:
        real = {name: microseconds(call) for name, call in calls(str(memory)).items()}
        with installed(), running(Instant()) as rank:
            base = microseconds(lambda: rank.perform(Mkdir("d")))
            own = {name: microseconds(call) for name, call in calls(ROOT).items()}
    finally:
        gc.enable()
        for path in memory.iterdir():
            path.unlink()
        memory.rmdir()
    print(f"\nan operation that does nothing: {base:.2f} µs")
    for name in real:
        print(f"{name:20} boundary {own[name]:5.2f} µs   real {real[name]:5.2f} µs")
    assert all(own[name] < 1.5 * real[name] for name in real)
