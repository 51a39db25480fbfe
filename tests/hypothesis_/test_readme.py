"""The example of the reference: the racy save fails with lanes, the sound strategy passes, the suite is collected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simulator.invariants.violation import NAMES

ROOT = Path(__file__).parents[2]

FEW = """
from hypothesis import settings
settings.register_profile("few", max_examples=8, derandomize=True)
settings.load_profile("few")
"""


def test_the_example_does_what_it_says(pytester: pytest.Pytester) -> None:
    (example,) = (block for block in python("REFERENCE.md") if "from simulator.hypothesis import" in block)
    pytester.makepyfile(saving=python("README.md")[0], test_example=example)
    pytester.makeconftest(FEW)
    found = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-k", "not TestOurs")
    found.assert_outcomes(passed=1, failed=1, deselected=len(suite(pytester)))
    assert "violated  no-error: a rank raised" in found.stdout.str()
    assert "test_saver" in found.stdout.str()


def python(document: str) -> list[str]:
    """Its blocks of Python, in their order."""
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)


def suite(pytester: pytest.Pytester) -> list[str]:
    """The tests that the subclass of the suite has: every invariant, in every situation in which it can be violated."""
    listed = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--collect-only", "-q", "-k", "TestOurs").outlines
    tests = [line for line in listed if "::TestOurs::" in line]
    assert {re.findall(r"::test_(\w+)\[", test)[0].replace("_", "-") for test in tests} == set(NAMES)
    return tests
