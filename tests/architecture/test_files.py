"""How the house is kept: sizes and names of files, and no test that is silently left out."""

from __future__ import annotations

import ast
from pathlib import Path

import simulator

LONGEST = 800
NEEDS_REASON = {"skip": 0, "skipif": 1, "importorskip": None, "xfail": 1}
"""What leaves a test out, and after how many positional arguments its reason may stand (None: only by keyword)."""


def test_no_file_is_too_long_to_hold_one_idea(sources: list[Path], test_sources: list[Path]) -> None:
    lengths = {str(path): len(path.read_text().splitlines()) for path in [*sources, *test_sources]}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST} == {}


def test_no_module_is_a_drawer_for_everything(sources: list[Path]) -> None:
    drawers = {"util", "utils", "helper", "helpers", "common", "misc"}
    assert [path for path in sources if path.stem in drawers or path.parent.name in drawers] == []


def test_every_directory_of_sources_is_a_package(sources: list[Path]) -> None:
    """A directory without ``__init__.py`` would give way to any package of its name elsewhere on the path."""
    assert {path.parent for path in sources if not (path.parent / "__init__.py").exists()} == set()


def test_no_module_bears_the_name_of_a_public_function(checkout: Path) -> None:
    """Importing ``simulator.explore`` as a module would replace the function of that name."""
    public = set(simulator.__all__)
    assert public
    modules = {path.stem for path in (checkout / "simulator").iterdir()}
    assert public & modules == set()


def test_every_test_that_is_left_out_says_why(test_sources: list[Path]) -> None:
    assert [place for path in test_sources for place in unreasoned(path, ast.parse(path.read_text()))] == []


def test_a_test_left_out_without_a_reason_is_found() -> None:
    left_out = """
@pytest.mark.skip
def a(): ...
@pytest.mark.skipif(True)
def b(): ...
@pytest.mark.xfail(True, raises=OSError)
def c(): ...
def d(): pytest.skip()
pytest.importorskip("e")
"""
    assert len(unreasoned(Path("f"), ast.parse(left_out))) == 5
    said = left_out.replace("skip\n", "skip('g')\n").replace('e"', "e\", reason='g'").replace("skip()", "skip('g')")
    said = said.replace("(True", "(True, reason='g'")
    assert unreasoned(Path("f"), ast.parse(said)) == []


def unreasoned(path: Path, tree: ast.Module) -> list[str]:
    """Where ``tree`` leaves a test out without a reason: ``file:line``."""
    called = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return [
        f"{path}:{node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in NEEDS_REASON
        and ast.unparse(node.value) in ("pytest", "pytest.mark", "unittest")
        and not has_reason(node.attr, called.get(id(node)))
    ]


def has_reason(name: str, call: ast.Call | None) -> bool:
    if call is None:
        return False
    position = NEEDS_REASON[name]
    by_position = position is not None and len(call.args) > position
    return by_position or any(keyword.arg == "reason" for keyword in call.keywords)
