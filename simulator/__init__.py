"""ckptrace: a testing harness and simulator for checkpoint races.

The public interface. Everything is imported when it is first used, so that ``import simulator`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.campaigns.interface import explore, replay, run_as_rank
    from simulator.campaigns.result import Failure, Result
    from simulator.faults import ErrorRule, Faults
    from simulator.invariants.violation import at_end
    from simulator.rank import Rank

__all__ = ["ErrorRule", "Failure", "Faults", "Rank", "Result", "at_end", "explore", "replay", "run_as_rank"]

_WHERE = {
    "explore": "simulator.campaigns.interface",
    "replay": "simulator.campaigns.interface",
    "run_as_rank": "simulator.campaigns.interface",
    "Failure": "simulator.campaigns.result",
    "Result": "simulator.campaigns.result",
    "ErrorRule": "simulator.faults",
    "Faults": "simulator.faults",
    "at_end": "simulator.invariants.violation",
    "Rank": "simulator.rank",
}


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module 'simulator' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(module), name)
