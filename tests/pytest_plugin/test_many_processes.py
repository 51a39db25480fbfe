"""Race tests on the workers of pytest-xdist."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from simulator import trace as traces
from tests.pytest_plugin.sessions import RACY, Sessions


def test_two_workers_do_what_one_process_does(sessions: Sessions) -> None:
    """Failures are kept and replayed first, the workers share one seed, and the figures come to the front."""
    racy = RACY.replace("seed=1, ", "").replace(", seed=1", "")
    sessions.write(racy + racy.replace("test_save", "test_too").replace("if staging.exists():", "if rank.index == 0:"))
    sessions.write(racy, "test_more")
    first = sessions.run_apart("-n2", "--junitxml=report.xml")
    first.assert_outcomes(passed=1, failed=2)
    (line,) = [line for line in first.outlines if line.startswith("checkpoint races: ")]
    seed = re.fullmatch(r"checkpoint races: 3 tests, \d+ schedules in .*, --ckptrace-seed=(\d+)", line)
    assert seed is not None
    found = ElementTree.parse(sessions.root / "report.xml").iter("property")
    assert {each.get("value") for each in found if each.get("name") == "ckptrace_seed"} == {seed[1]}
    digests = [traces.load(path).digest for path in sessions.kept]
    assert len(digests) == 2
    again = sessions.run_apart("-n2", "--ckptrace-schedules=1")
    again.assert_outcomes(passed=1, failed=2)
    again.stdout.fnmatch_lines(["found   in an earlier run; *"] * 2)
    assert [traces.load(path).digest for path in sessions.kept] == digests
