"""A function that is called in frames of its own behaves as if it had just been called."""

from __future__ import annotations

import traceback

import pytest
from greenlet import getcurrent

from simulator.engines.fresh_frames import in_fresh_frames


def test_the_function_runs_elsewhere_and_gives_what_it_returns() -> None:
    here = getcurrent()
    assert in_fresh_frames(lambda: getcurrent().parent) is here
    assert getcurrent() is here


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_it_raises_comes_out_with_its_frames(kind: type[BaseException]) -> None:
    def fails() -> None:
        raise kind("the reason")

    with pytest.raises(kind, match="the reason") as caught:
        in_fresh_frames(fails)
    assert [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)][-1] == "fails"
