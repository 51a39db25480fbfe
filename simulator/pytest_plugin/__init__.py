"""Race tests: what is behind ``ckptrace_pytest``, the plugin that pytest loads, once a test is marked."""

from __future__ import annotations

import pytest


class CheckpointRaceWarning(pytest.PytestWarning):
    """A race test does what probably is not meant."""
