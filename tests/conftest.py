"""What all tests share: how Hypothesis runs, and where a test that needs a device may run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Sessions of pytest inside a test, for the tests of the plugin.
pytest_plugins = ("pytester",)

# Neither a deadline nor a health check by the clock: what passes must not depend on how busy the machine is.
UNTIMED = [HealthCheck.too_slow]
settings.register_profile("local", deadline=None, suppress_health_check=UNTIMED, print_blob=True)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True, scope="session")
def _state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The key by which recordings of one's own are known is one of this session, and not of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def _sessions_with_the_plugin_under_test_alone(request: pytest.FixtureRequest) -> None:
    """Sessions of pytest inside a test load ckptrace's plugin, and none of what else the environment has."""
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # It sets the environment first.
        patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.setenv("PYTEST_ADDOPTS", "-p ckptrace_pytest")


def pytest_configure() -> None:
    """Listen to Ctrl-C again where whoever started this told its children not to, as a shell does in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked ``gpu`` where there is no CUDA device; torch is imported only if there is such a test."""
    if item.get_closest_marker("gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")
