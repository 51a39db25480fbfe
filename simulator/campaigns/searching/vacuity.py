"""Whether there is something to judge: a job that breaks down undisturbed shows nothing of its saves."""

from __future__ import annotations

from simulator.experiment import ROOT
from simulator.invariants.violation import text_of
from simulator.run import Run
from simulator.scenario import Scenario


def breakdown_of(undisturbed: Run, scenario: Scenario) -> str | None:
    """Why the undisturbed run shows too little for a verdict of clean or certified, if so.

    It does when a rank raises or does not end and no invariant that is judged says so: what the job would have done
    after that was not tested, neither there nor, most likely, in any other schedule.
    """
    if undisturbed.violation is not None or undisturbed.incomplete is not None:
        return None
    for attempt in undisturbed.attempts:
        for rank, ending in sorted(attempt.endings.items()):
            if ending.error is not None:
                return _told(f"rank {rank} raises {text_of(ending.error, ROOT)}", "no-error")
        missing = [rank for rank in range(scenario.cluster.world_size) if rank not in attempt.endings]
        if missing:
            return _told(f"rank {missing[0]} does not end", "no-hang")
    if scenario.strategy is not None and not any(attempt.saves for attempt in undisturbed.attempts):
        every, steps = scenario.workload.save_every, scenario.workload.steps
        return f"no save was made: workload.save_every is {every}, workload.steps {steps}"
    return None


def _told(what: str, invariant: str) -> str:
    return (
        f"{what} even when nothing disturbs it, which {invariant}, not judged here, would report: what the job would "
        "do after that was not tested"
    )
