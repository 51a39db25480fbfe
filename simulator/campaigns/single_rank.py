"""One rank alone on the model: any code, a test suite say."""

from __future__ import annotations

import gc
import inspect
from collections.abc import Callable
from typing import Any

from simulator.boundary import installed
from simulator.engines.greenlets import greenlet_engine
from simulator.engines.programs import RankPrograms
from simulator.errors import CannotDo
from simulator.experiment import ROOT
from simulator.filesystems.profiles import by_profile
from simulator.rank import Rank


def run_as_rank(function: Callable[..., Any], filesystem: str = "local") -> Any:
    """Call ``function`` as the only rank of a job, on an empty model of that profile.

    It gets the ``Rank`` if it takes an argument; its current directory is the root. Gives what it returns and raises
    what it raises. Raises UsageError for an unknown profile, Escape when it reaches the real disk, and CannotDo when
    it waits for what never comes.
    """

    def program(rank: Rank) -> Any:
        return function(rank) if wants_rank else function()

    wants_rank = _takes_an_argument(function)
    collecting = gc.isenabled()
    with installed():
        engine = greenlet_engine(by_profile(filesystem), RankPrograms((program,), 1, ROOT, show_output=True))
        # As in every run: a file that the collector closes while no rank runs would lose what it holds.
        gc.disable()
        try:
            engine.start()
            while engine.ready:
                engine.grant(engine.ready[0])
            waiting = engine.waiting()
        finally:
            engine.close()
            if collecting:
                gc.enable()
    if waiting:
        raise CannotDo(f"the rank waits for ever: {', '.join(waiting.values())}")
    ending = engine.endings[0]
    if ending.error is not None:
        raise ending.error
    return ending.value


def _takes_an_argument(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:  # Some functions written in C tell no signature.
        return True
    return True
