"""Sessions of pytest in a directory of their own, with race tests in it."""

from __future__ import annotations

import pytest

# pytester forgets what a session imports. Ranks run in one boundary in each process, which must not be loaded twice.
import simulator.exhaustive.checkpoint
import simulator.filesystems.pyfakefs
import simulator.pytest_plugin.race  # noqa: F401
from tests.pytest_plugin.sessions import Sessions


@pytest.fixture
def sessions(pytester: pytest.Pytester) -> Sessions:
    """Write tests and run pytest on them."""
    return Sessions(pytester)
