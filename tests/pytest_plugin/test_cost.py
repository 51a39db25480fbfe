"""A race test does no more than the exploration that it stands for; `make bench` measures what that takes."""

from __future__ import annotations

import simulator
from tests.pytest_plugin.counting import RACE_TEST, counted, save
from tests.pytest_plugin.sessions import Sessions


def test_a_passing_test_makes_no_run_more_than_explore(sessions: Sessions) -> None:
    counted()
    result = simulator.explore(save, nodes=2, schedules=50, seed=1)
    direct = counted()
    told = sessions.reported(source=RACE_TEST.format(schedules=50))
    assert counted() == direct
    assert (told["ckptrace_schedules"], told["ckptrace_verdict"]) == (result.schedules, "clean")


def test_nor_than_certify(sessions: Sessions) -> None:
    counted()
    result = simulator.certify(save, nodes=2)
    direct = counted()
    told = sessions.reported(source=RACE_TEST.format(schedules=1).replace("schedules=1, seed=1", "certify=True"))
    assert counted() == direct
    assert (told["ckptrace_schedules"], told["ckptrace_verdict"]) == (result.schedules, "certified")
