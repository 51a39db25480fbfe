"""Property-based testing with Hypothesis: schedules, faults and whole scenarios as strategies for ``@given``.

Everything that a run leaves open is drawn from Hypothesis, 0 being what an undisturbed run would do. So Hypothesis
shrinks all of it together, down to the fewest context switches, keeps failing examples in its database, and can fuzz
such tests (``hypothesis fuzz``, of the package hypofuzz)::

    from hypothesis import given, settings
    from simulator.hypothesis import run, scenarios, schedules

    @given(schedule=schedules())
    @settings(deadline=None)  # the first run that comes to a state judges it, which takes time
    def test_saver(schedule):
        run(saver, schedule, nodes=2)

    @given(scenario=scenarios("staged-barrier"), schedule=schedules())
    def test_on_every_cluster(scenario, schedule):
        run(scenario, schedule)
"""

from simulator.hypothesis.drawing import Schedule, schedules
from simulator.hypothesis.generation import clusters, faults, scenarios, workloads
from simulator.hypothesis.running import Outcome, Violated, run

__all__ = ["Outcome", "Schedule", "Violated", "clusters", "faults", "run", "scenarios", "schedules", "workloads"]
