"""The boundary in place, and a rank to call through it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulator.boundary import installed
from tests.boundary.direct import DirectCaller


@pytest.fixture
def caller() -> Iterator[DirectCaller]:
    """A rank that is not running yet; the boundary is installed."""
    with installed():
        yield DirectCaller()
