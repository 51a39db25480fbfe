"""Random traces for laws that hold whatever the schedule."""

from __future__ import annotations

from hypothesis import strategies as st

from simulator.trace import Trace, Verdict
from tests.reports.recordings import Recording

_NAMES = ("checkpoint-1", "tmp-checkpoint-k2j3n4m5", "checkpoint-1/model-00001-of-00031.safetensors")
_STEPS = ("mkdir", "rename", "write", "meet", "switch", "kill")


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """A job of a few ranks whose operations, switches, collectives, faults and endings are anything."""
    job = Recording(draw(st.integers(1, 3)), draw(st.integers(1, 6)))
    ranks = st.integers(0, job.world_size - 1)
    names = st.sampled_from(_NAMES)
    for _ in range(draw(st.integers(1, 2))):
        for step in draw(
            st.lists(st.sampled_from(("mkdir", "rename", "write", "meet", "switch", "kill")), max_size=40)
        ):
            rank = draw(ranks)
            if step == "mkdir":
                job.do(rank, "mkdir", draw(names), 0o777, None, error=draw(st.sampled_from((None, "EEXIST"))), line=7)
            elif step == "rename":
                job.do(rank, "rename", draw(names), draw(names), None, None, line=12345)
            elif step == "write":
                job.write_file(rank, draw(names), line=9)
            elif step == "meet":
                job.meet()
            elif step == "switch":
                job.switch(rank, draw(ranks))
            else:
                job.strike(f"rank {rank} is killed")
        endings = draw(st.dictionaries(ranks, st.sampled_from(("killed", "raised OSError: [Errno 39] not empty: 'x'"))))
        job.end(endings)
    verdict = draw(st.sampled_from((None, "no-error", "complete")))
    explanation = {
        key: {"attempt": len(job.attempts) - 1, "position": draw(st.integers(0, 60))} for key in ("first", "second")
    }
    return job.trace(Verdict(verdict, "rank 0 raised it", 0) if verdict else None, explanation)
