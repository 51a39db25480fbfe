"""The wall time of a run may end at any instant, also while ranks that have ended are put away."""

from __future__ import annotations

from contextlib import suppress

from simulator.boundary import installed
from simulator.errors import CannotDo
from simulator.experiment import Experiment
from simulator.scenario import from_table
from simulator.schedulers.replay import TapeReplay
from simulator.tape import Tape

JOB = {
    "restarts": 1,
    "invariants": ["complete"],
    "cluster": {"nodes": 2, "ranks_per_node": 20},
    "workload": {"steps": 2, "keep": 1},
    "strategy": {"name": "transformers-5.23"},
    "faults": {"kills": 1},
}


def test_a_run_whose_time_is_used_up_is_incomplete_wherever_it_is() -> None:
    killed = Tape({(0, "kill", 0, 5): 1})
    ends = []
    for number in range(30):
        experiment = Experiment(from_table({**JOB, "budgets": {"wall_seconds": 0.002 * 1.1**number}}, "the job"))
        with installed(), suppress(CannotDo):
            run = experiment.run(TapeReplay(killed), killed)
            ends.append(run.incomplete is not None or run.violation is not None)
    assert all(ends)
    assert ends


def test_no_operation_of_a_judgement_is_left_half_done() -> None:
    """A restart is judged with a best step, so that much is looked at; what was looked at is taken back each time."""
    workload = {"layout": "zero", "steps": 3, "keep": 1, "best": 1}
    job = {"cluster": {"nodes": 2, "ranks_per_node": 2}, "workload": workload, "strategy": {"name": "staged-barrier"}}
    for number in range(25):
        experiment = Experiment(from_table({**job, "budgets": {"wall_seconds": 0.005 + number * 0.0007}}, "the job"))
        with installed(), suppress(CannotDo):
            experiment.run(TapeReplay(Tape()))
