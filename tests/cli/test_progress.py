"""Something is said of long work also where no person looks, and while code under test does not come back."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import pytest

from simulator.cli import progress
from simulator.reports.setting import per_second


class Log(io.StringIO):
    """A stream that is no terminal."""

    def wait_for(self, text: str) -> None:
        latest = time.monotonic() + 30
        while text not in self.getvalue():
            assert time.monotonic() < latest, self.getvalue()


def test_a_log_says_how_it_goes_and_that_the_last_one_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.01)
    log = Log()
    with progress.watched(log, None, None) as show:
        log.wait_for("nothing yet; 0 s since the last one")
        show(3, 1.0)
        log.wait_for("3 schedules; 0 s since the last one")
    with progress.searching(log) as search:
        search(7, 0.5, 10.0)
        log.wait_for("7 classes, about 50%, 10 s left")


@pytest.mark.parametrize(
    ("said", "rate"),
    [
        (lambda: per_second(1, 4.0), "0.25 schedules/s"),
        (lambda: per_second(12345, 1.0), "12,345 schedules/s"),
        (lambda: per_second(1, 300.0), "300 s each"),
        (lambda: per_second(0, 1.0), "0 schedules/s"),
        (lambda: per_second(2, 4.0, "class"), "0.5 classes/s"),
    ],
)
def test_a_slow_rate_is_not_said_to_be_none(said: Callable[[], str], rate: str) -> None:
    assert said() == rate
