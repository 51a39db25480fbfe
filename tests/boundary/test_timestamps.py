"""Times of a stat are ordinary numbers that know whether more than their order was looked at."""

from __future__ import annotations

import copy
import math
import os
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import simulator
from simulator.boundary import installed
from simulator.boundary.timestamps import TimeInNanoseconds, TimeInSeconds
from simulator.clock import EPOCH
from simulator.engines.greenlets import greenlet_engine
from simulator.engines.programs import RankPrograms
from simulator.experiment import ROOT
from simulator.filesystems import PosixModel


def facets_of(look: Callable[[Any, Any], Any]) -> tuple[set[str], Any]:
    """What is told of a look at the stats of two directories, and what it gave."""

    def program(rank: simulator.Rank) -> Any:
        os.mkdir(rank.root / "a")
        os.mkdir(rank.root / "b")
        return look(os.stat(rank.root / "a"), os.stat(rank.root / "b"))

    with installed():
        engine = greenlet_engine(PosixModel(), RankPrograms((program,), 1, ROOT))
        engine.start()
        while engine.ready:
            engine.grant(0)
    if (error := engine.endings[0].error) is not None:
        raise error
    return {facet for _, _, facet in engine.looks}, engine.endings[0].value


ORDERED: dict[str, Callable[[Any, Any], Any]] = {
    "less": lambda a, b: a.st_mtime < b.st_mtime,
    "sorted": lambda a, b: sorted([b.st_mtime_ns, a.st_mtime_ns])[0] == a.st_mtime_ns,
    "newest": lambda a, b: max((a.st_mtime, "a"), (b.st_mtime, "b"))[1] == "b",
    "against nothing": lambda a, b: a.st_mtime > 0 and a.st_mtime_ns != -1 and b.st_mtime < math.inf,
    "copied": lambda a, b: copy.deepcopy(a.st_mtime) < b.st_mtime,
    "key": lambda a, b: len({a.st_mtime: 1, b.st_mtime: 2}) == 2,
}
RECKONED: dict[str, Callable[[Any, Any], Any]] = {
    "difference": lambda a, b: b.st_mtime - a.st_mtime > 0,
    "age": lambda a, b: (EPOCH + 10**12) / 1e9 - a.st_mtime > 0,
    "clock": lambda a, b: a.st_mtime_ns < EPOCH + 10**12,
    "other way round": lambda a, b: max(EPOCH + 10**12, a.st_mtime_ns) == EPOCH + 10**12,
    "equal to a number": lambda a, b: a.st_mtime_ns != EPOCH,
    "text": lambda a, b: f"{a.st_mtime:.0f}" == str(int(a.st_mtime)),
    "whole seconds": lambda a, b: a[8] == b[8],
    "rounded": lambda a, b: round(a.st_mtime) == math.floor(b.st_mtime),
}


@pytest.mark.parametrize("look", ORDERED)
def test_comparing_times_with_each_other_tells_their_order_only(look: str) -> None:
    assert facets_of(ORDERED[look]) == ({"mtime"}, True)


@pytest.mark.parametrize("look", RECKONED)
def test_making_more_of_a_time_is_told(look: str) -> None:
    facets, given = facets_of(RECKONED[look])
    assert "value" in facets
    assert given


def test_a_time_is_an_ordinary_number_to_everybody_else() -> None:
    ((seconds, nanoseconds),) = [facets_of(lambda a, b: (a.st_mtime, a.st_mtime_ns))[1]]
    assert isinstance(seconds, float)
    assert isinstance(nanoseconds, int)
    assert type(seconds) is TimeInSeconds
    assert type(nanoseconds) is TimeInNanoseconds
    assert nanoseconds // 10**9 == int(seconds)
    assert hash(nanoseconds) == hash(int(nanoseconds))
    assert type(pickle.loads(pickle.dumps(seconds))) is float
    assert pickle.loads(pickle.dumps(nanoseconds)) == nanoseconds
