"""Every strategy that is shipped is registered under its name, the way that a user's own package would do it."""

from __future__ import annotations

import importlib
import inspect
from importlib.metadata import entry_points
from pathlib import Path

METHODS = ("save", "pick", "load")


def test_every_strategy_is_registered(checkout: Path, registered: dict[str, str]) -> None:
    shipped = set()
    for path in (checkout / "strategies").glob("[!_]*.py"):
        module = importlib.import_module(f"strategies.{path.stem}")
        shipped |= {
            f"{module.__name__}:{name}"
            for name, value in inspect.getmembers(module, inspect.isclass)
            if value.__module__ == module.__name__ and all(hasattr(value, method) for method in METHODS)
        }
    assert shipped == set(registered.values())


def test_what_is_registered_is_what_is_installed(registered: dict[str, str]) -> None:
    """Also that the environment is not older than pyproject.toml."""
    installed = {point.name: point for point in entry_points(group="ckptrace.strategies")}
    assert {name: point.value for name, point in installed.items()} == registered
    assert all(callable(point.load()) for point in installed.values())
