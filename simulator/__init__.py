"""ckptrace: a testing harness and simulator for checkpoint races.

The public interface. Everything is imported when it is first used, so that ``import simulator`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.campaigns.interface import explore
    from simulator.campaigns.replay.confirming import Confirmation, confirm
    from simulator.campaigns.replay.replaying import replay
    from simulator.campaigns.result import Failure, Result
    from simulator.campaigns.searching.certifying import certify
    from simulator.campaigns.single_rank import run_as_rank
    from simulator.faults import ErrorRule, Faults
    from simulator.invariants.violation import at_end
    from simulator.rank import Rank
    from simulator.reports.from_python import as_html, as_text, save

__all__ = [
    "Confirmation",
    "ErrorRule",
    "Failure",
    "Faults",
    "Rank",
    "Result",
    "as_html",
    "as_text",
    "at_end",
    "certify",
    "confirm",
    "explore",
    "replay",
    "run_as_rank",
    "save",
]

_WHERE = {
    "as_html": "simulator.reports.from_python",
    "as_text": "simulator.reports.from_python",
    "save": "simulator.reports.from_python",
    "certify": "simulator.campaigns.searching.certifying",
    "explore": "simulator.campaigns.interface",
    "replay": "simulator.campaigns.replay.replaying",
    "run_as_rank": "simulator.campaigns.single_rank",
    "confirm": "simulator.campaigns.replay.confirming",
    "Confirmation": "simulator.campaigns.replay.confirming",
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


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
