"""The layer contract of pyproject.toml catches what it is there to catch; `make lint` applies it to the project."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.architecture.commands import run

LINT_IMPORTS = Path(sys.executable).parent / "lint-imports"
TYPE_CHECKING = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "


def verdict(house: Path, checkout: Path, modules: dict[str, str]) -> str:
    """What the linter says of a house that consists of these modules; empty if it is content."""
    for name, text in {"simulator/__init__": "", "strategies/__init__": "", **modules}.items():
        path = house / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for package in house.glob("*/*/"):
        (package / "__init__.py").touch()
    shutil.copy(checkout / "pyproject.toml", house)
    result = run(LINT_IMPORTS, "--no-cache", "--no-logo", cwd=house)
    return result.stdout if result.returncode else ""


def test_the_project_keeps_its_contracts(checkout: Path) -> None:
    result = run(LINT_IMPORTS, "--no-cache", "--no-logo", cwd=checkout)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("modules", "complaint"),
    [
        ({"simulator/tape": "from simulator import trace", "simulator/trace": ""}, "simulator.tape -> simulator.trace"),
        (
            {"simulator/filesystems/posix": "import simulator.boundary.caller", "simulator/boundary/caller": ""},
            "simulator.filesystems.posix -> simulator.boundary.caller",
        ),
        (
            {"simulator/run": "def late():\n    import simulator.exhaustive.search", "simulator/exhaustive/search": ""},
            "simulator.run -> simulator.exhaustive.search",
        ),
        ({"simulator/errors": "import simulator.rank", "simulator/rank": ""}, "simulator.errors -> simulator.rank"),
        ({"simulator/helpers": ""}, "helpers"),
        ({"strategies/own": "from simulator import state", "simulator/state": ""}, "strategies.own -> simulator.state"),
    ],
    ids=["tape", "file-systems", "inside-a-function", "errors", "module-without-a-place", "strategy"],
)
def test_an_arrow_that_points_up_is_found(
    tmp_path: Path, checkout: Path, modules: dict[str, str], complaint: str
) -> None:
    assert complaint in verdict(tmp_path, checkout, modules)


@pytest.mark.parametrize(
    "modules",
    [
        {"simulator/trace": "from simulator import tape", "simulator/tape": ""},
        {"simulator/cli": "import simulator.errors", "simulator/errors": ""},
        {"strategies/own": TYPE_CHECKING + "from simulator.state import State", "simulator/state": "State = int"},
    ],
    ids=["down", "far-down", "strategy-for-types-only"],
)
def test_an_arrow_that_points_down_is_allowed(tmp_path: Path, checkout: Path, modules: dict[str, str]) -> None:
    assert verdict(tmp_path, checkout, modules) == ""
