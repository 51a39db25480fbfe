"""What is imported is declared: what is shipped by the dependencies, what tests need by the extra ``dev``."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FRAMEWORKS = {"torch", "safetensors", "numpy"}
"""What a strategy may use besides the standard library: it must run where training runs."""

IN_THE_PROGRAM = {"ckptrace_arming", "ckptrace_meetings", "ckptrace_saying", "ckptrace_shown", "ckptrace_sources"}
"""Files of this package that are imported by their bare names inside the program under test."""
ELSEWHERE = {"train.py", "train_layout.py"}
"""Run by the tests of released libraries, in an environment of theirs."""
WITH_FUSE = {"passing_on.py"}
"""Run where FUSE and its binding are; the tests are skipped elsewhere, with the reason."""


@pytest.fixture(scope="module")
def project(checkout: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    return table


def test_every_import_of_the_package_is_a_declared_dependency(sources: list[Path], project: dict[str, Any]) -> None:
    declared = [*project["dependencies"], *project["optional-dependencies"]["torch"]]
    allowed = modules_of(declared) | {"simulator", "strategies"} | IN_THE_PROGRAM
    assert foreign(sources, allowed) == set()


def test_every_import_of_the_tests_is_declared(test_sources: list[Path], project: dict[str, Any]) -> None:
    declared = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    own = {"simulator", "strategies", "tests", "ckptrace_pytest"}
    here = [path for path in test_sources if path.name not in ELSEWHERE | WITH_FUSE]
    assert foreign(here, modules_of(declared) | own) == set()


def test_a_strategy_needs_the_standard_library_and_the_framework_only(checkout: Path) -> None:
    strategies = sorted((checkout / "strategies").rglob("*.py"))
    assert strategies
    assert foreign(strategies, FRAMEWORKS | {"strategies"}) == set()


def test_what_is_declared_is_pinned_in_the_checkout(checkout: Path, project: dict[str, Any]) -> None:
    """So that no test depends on the day on which it runs."""
    pins = re.findall(r"^([\w.-]+)==[\w.]+$", (checkout / "constraints.txt").read_text(), re.MULTILINE)
    extras = project["optional-dependencies"]
    declared = [*project["dependencies"], *extras["dev"], *extras["docs"]]
    assert {name_of(requirement) for requirement in declared} == set(pins)


def name_of(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement).group()  # type: ignore[union-attr]


def modules_of(requirements: list[str]) -> set[str]:
    """The top-level modules that these distributions install."""
    wanted = {re.sub(r"[-_.]+", "-", name_of(requirement)).lower() for requirement in requirements}
    return {
        module
        for module, distributions in importlib.metadata.packages_distributions().items()
        if wanted & {re.sub(r"[-_.]+", "-", name).lower() for name in distributions}
    }


def foreign(paths: list[Path], allowed: set[str]) -> set[tuple[str, str]]:
    """The modules, with the file that imports them, that are neither allowed nor of the standard library."""
    return {
        (path.name, module)
        for path in paths
        for module in imported(ast.parse(path.read_text()).body)
        if module not in allowed and module not in sys.stdlib_module_names
    }


def imported(statements: list[Any]) -> Iterator[str]:
    """Top-level names of absolute imports, those inside functions included, those for type checkers only not."""
    for statement in statements:
        match statement:
            case ast.Import(names=names):
                yield from (alias.name.split(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.split(".")[0]
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from imported(statement.orelse)
            case _:
                yield from imported(list(ast.iter_child_nodes(statement)))
