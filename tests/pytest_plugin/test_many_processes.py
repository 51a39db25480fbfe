"""Race tests on the workers of pytest-xdist."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from simulator import trace as traces
from tests.pytest_plugin.sessions import RACY, Sessions


def test_two_workers_do_what_one_process_does(sessions: Sessions) -> None:
    """What is kept is replayed first, what fails is kept, and seed and figures are those of the session."""
    racy = RACY.replace(", seed=1", "")
    sessions.run(source=racy)
    known = traces.load(sessions.kept[0]).digest
    sessions.write(racy.replace("test_save", "test_other"), "test_more")
    sessions.write(racy.replace("if staging.exists():", "if rank.index == 0:"), "test_most")
    result = sessions.run_apart("-p", "xdist", "-n2", "--junitxml=report.xml")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines_random(["found   in an earlier run; *", "found   in schedule * of 200, *"])
    (line,) = [line for line in result.outlines if line.startswith("checkpoint races: ")]
    seed = re.fullmatch(r"checkpoint races: 3 tests, \d+ schedules in .*, --ckptrace-seed=(\d+)", line)
    assert seed is not None
    found = ElementTree.parse(sessions.root / "report.xml").iter("property")
    assert {each.get("value") for each in found if each.get("name") == "ckptrace_seed"} == {"0", seed[1]}
    kept = {path.name.split("-")[0]: traces.load(path).digest for path in sessions.kept}
    assert kept.keys() == {"test_it.py", "test_more.py"}
    assert kept["test_it.py"] == known
