"""Traces made by hand, so that reports are tested against what is known to be in them."""

from __future__ import annotations

import os
from typing import Any

from simulator.trace import AttemptTrace, Event, Trace, Verdict, digest_of, software_versions

SITE = "/home/me/job/save.py"
CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


class Recording:
    """Builds a trace operation by operation; positions are counted, descriptors are given out per rank."""

    def __init__(self, nodes: int = 2, ranks_per_node: int = 1) -> None:
        self.cluster = {"nodes": nodes, "ranks_per_node": ranks_per_node}
        self.world_size = nodes * ranks_per_node
        self.attempts: list[AttemptTrace] = []
        self.tape: list[tuple[int, str, int, int, int]] = []
        self._counts: dict[int, int] = {}
        self._events: list[Event] = []
        self._faults: list[tuple[int, str]] = []

    def do(
        self,
        rank: int,
        kind: str,
        *arguments: Any,
        result: Any = None,
        error: str | None = None,
        line: int | None = None,
    ) -> int:
        """One operation; gives its position in the attempt."""
        n = self._counts.get(rank, 0)
        self._counts[rank] = n + 1
        site = f"{SITE}:{line}" if line is not None else None
        self._events.append(Event(rank, rank, n, kind, list(arguments), result, error, site))
        return len(self._events) - 1

    def write_file(self, rank: int, path: str, size: int = 4096, line: int | None = None) -> None:
        """Open, write and close a file."""
        self.do(rank, "open", path, CREATE, 0o666, None, result="fd3", line=line)
        self.do(rank, "write", "fd3", f"{size} bytes abcdef", None, result=size, line=line)
        self.do(rank, "close", "fd3", line=line)

    def meet(self, name: str = "barrier", ranks: list[int] | None = None) -> None:
        """A collective of all ranks, or of some."""
        group = list(range(self.world_size)) if ranks is None else ranks
        for rank in group:
            self.do(rank, "collective", name, group, 0, None, 0)

    def switch(self, rank: int, to: int) -> None:
        """The schedule takes ``rank`` off in favour of another, by choice. -1: who starts."""
        self.tape.append((len(self.attempts), "schedule", rank, self._counts.get(rank, 0), to + 1))

    def strike(self, said: str) -> None:
        """A fault, at this point."""
        self._faults.append((len(self._events), said))

    def end(self, endings: dict[int, str] | None = None, line: int | None = None) -> None:
        """The attempt is over; ranks that ``endings`` does not name returned. ``line`` is where those raised."""
        said = dict.fromkeys(range(self.world_size), "returned") | (endings or {})
        sites = {} if line is None else dict.fromkeys(endings or {}, f"{SITE}:{line}")
        self.attempts.append(AttemptTrace(self._events, self._faults, said, sites=sites))
        self._events, self._faults, self._counts = [], [], {}

    def trace(
        self, verdict: Verdict | None = None, explanation: dict[str, Any] | None = None, **scenario: Any
    ) -> Trace:
        """What was recorded."""
        return Trace(
            scenario={"cluster": self.cluster, "strategy": {"name": "by-hand"}, **scenario},
            tape=sorted(self.tape),
            attempts=self.attempts,
            digest=digest_of(attempt.events for attempt in self.attempts),
            verdict=verdict,
            explanation=explanation,
            versions=software_versions(),
        )


def second_rename_fails(ranks_per_node: int = 1) -> Trace:
    """Rank 1 deletes what rank 0 published; rank 2 or 0 renames in between; rank 1's second rename raises."""
    job = Recording(2, ranks_per_node)
    last = job.world_size - 1
    for rank in range(job.world_size):
        staging = f"tmp-checkpoint-{rank:08d}"
        job.do(rank, "mkdir", staging, 0o700, None, line=20)
        if rank == 0:
            for name in ("model.safetensors", "optimizer.pt", "scheduler.pt"):
                job.write_file(0, f"{staging}/{name}", line=24)
        job.write_file(rank, f"{staging}/rng_state_{rank}.pth", 512, line=26)
    job.meet("all_reduce_sum")
    job.do(0, "rename", "tmp-checkpoint-00000000", "checkpoint-1", None, None, line=33)
    job.switch(0, 1)
    job.do(1, "rename", "tmp-checkpoint-00000001", "checkpoint-1", None, None, error="ENOTEMPTY", line=33)
    job.do(1, "stat", "checkpoint-1", False, None, result=["drwx------", None], line=37)
    job.do(1, "open", "checkpoint-1", os.O_RDONLY | os.O_DIRECTORY, 0o777, None, result="fd4", line=37)
    job.do(
        1,
        "readdir",
        "fd4",
        result=[
            ["model.safetensors", 32768],
            ["optimizer.pt", 32768],
            ["rng_state_0.pth", 32768],
            ["scheduler.pt", 32768],
        ],
        line=37,
    )
    for name in ("model.safetensors", "optimizer.pt", "rng_state_0.pth", "scheduler.pt"):
        job.do(1, "unlink", name, "fd4", line=37)
    job.do(1, "rmdir", "checkpoint-1", None, line=37)
    job.switch(1, last)
    if last != 1:
        first = job.do(last, "rename", f"tmp-checkpoint-{last:08d}", "checkpoint-1", None, None, line=33)
        job.switch(last, 1)
    else:
        first = job.do(0, "mkdir", "checkpoint-1", 0o777, None, line=40)
        job.switch(0, 1)
    second = job.do(1, "rename", "tmp-checkpoint-00000001", "checkpoint-1", None, None, error="ENOTEMPTY", line=38)
    message = "rank 1 raised OSError: [Errno 39] Directory not empty: 'tmp-checkpoint-00000001' -> 'checkpoint-1'"
    ended = {1: "raised OSError: [Errno 39] Directory not empty: 'tmp-checkpoint-00000001' -> 'checkpoint-1'"}
    job.attempts.append(AttemptTrace(job._events, [], ended))
    return job.trace(
        Verdict("no-error", message, 1, "no-error: rank # raised OSError: [Errno #] Directory not empty"),
        {
            "first": {"attempt": 0, "position": first},
            "second": {"attempt": 0, "position": second},
            "flipped": "With B before A no rank raises.",
        },
    )


def killed_and_restarted() -> Trace:
    """Two attempts: rank 0 is killed while it saves, the restart finds a checkpoint that is not whole."""
    job = Recording(2, 1)
    job.do(0, "mkdir", "checkpoint-1", 0o777, None, line=10)
    job.write_file(0, "checkpoint-1/model.safetensors", line=11)
    job.strike("rank 0 is killed")
    job.write_file(1, "checkpoint-1/rng_state_1.pth", 512, line=15)
    job.end({0: "killed"})
    job.do(0, "readdir", "", result=[["checkpoint-1", 16384]], line=40)
    job.do(0, "open", "checkpoint-1/optimizer.pt", os.O_RDONLY, 0o666, None, error="ENOENT", line=44)
    error = "FileNotFoundError: [Errno 2] No such file or directory: 'checkpoint-1/optimizer.pt'"
    job.end({0: f"raised {error}"})
    return job.trace(Verdict("no-error", f"rank 0 raised {error}", 0, "no-error: …"), None)
