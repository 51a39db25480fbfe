"""A test function as the program of the ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from simulator.pytest_plugin.tracebacks import Raised
from simulator.rank import Rank


class Outcome(KeyboardInterrupt):
    """What a rank raised is none of the ranks' business but pytest's: it ends the exploration, as Ctrl-C does.

    Its cause is what was raised.
    """


class RankProgram:
    """Calls a test function with its fixtures and parameters and, as ``rank``, the rank.

    While ``raised`` is a dictionary, what a rank raises is kept there, by rank.
    """

    def __init__(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        # Under this name, as that of functools.partial, a certificate finds the code that it is about.
        self.func = function
        self._arguments = dict(arguments)
        self._calls = 0
        self.raised: dict[int, Raised] | None = None

    def __call__(self, rank: Rank) -> Any:
        """Be that rank."""
        self._calls += 1
        try:
            return self.func(**self._arguments, rank=rank)
        except pytest.exit.Exception as outcome:
            raise Outcome from outcome
        except (pytest.skip.Exception, pytest.xfail.Exception) as outcome:
            # In the first run, which nothing disturbs, the test says that it is not for here. Later ones are schedules.
            if self._calls <= rank.world_size:
                raise Outcome from outcome
            raise
        except BaseException as error:
            if self.raised is not None:
                self.raised[rank.index] = Raised.keep(error)
            raise
