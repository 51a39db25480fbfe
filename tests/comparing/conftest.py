from __future__ import annotations

import pytest

from simulator.campaigns.comparison import Comparison, compare
from simulator.campaigns.comparison.outcome import Compared
from simulator.campaigns.demonstrating.demonstration import Candidate
from tests.comparing.jobs import request


@pytest.fixture(scope="session")
def compared() -> list[Compared]:
    """A strategy that loses checkpoints when somebody dies, one that does not, and one with a race."""
    names = ("transformers-5.23", "staged-barrier", "transformers-4.36.0")
    return list(compare([Candidate(name) for name in names], request(), processes=1))


@pytest.fixture(scope="session")
def comparison(compared: list[Compared]) -> Comparison:
    return Comparison(request(), compared, seconds=1.0)
