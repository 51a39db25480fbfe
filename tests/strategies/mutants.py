"""Mutants of the certified strategies: one barrier, sync, rename, deletion, guard or broadcast less, and what becomes
of their certificates.

A mutant is *found* when a search finds a violation; *named* when every certificate warns that what was changed was
never executed; *silent* when it is certified without a word. A silent one is a certificate that is too strong, or a
statement that changes nothing that anybody could tell: each is looked at, and listed with the reason.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import simulator
from simulator import registry
from simulator.errors import CkptraceError
from simulator.faults import Faults
from simulator.scenario import Cluster, Scenario, StrategyChoice, Workload

STRATEGIES = Path(registry.strategy_class("manifest").save.__code__.co_filename).parent
CERTIFIED = ("staged-barrier", "per-node-dirs", "manifest", "incremental")


class Mutant(NamedTuple):
    """``what`` was changed, on ``line`` of a function of a file; a certificate names it by one of the ``lines``."""

    file: str
    function: str
    line: int
    what: str
    lines: tuple[int, ...]
    nth: int
    source: str

    @property
    def name(self) -> str:
        """Where and what, without the line, which moves; the second of its kind in a function says so."""
        return f"{self.file} {self.function}: {self.what}{f' #{self.nth}' * (self.nth > 1)}"


def files_of(strategy: str) -> list[str]:
    """The files of a strategy, its own first."""
    own = Path(registry.strategy_class(strategy).save.__code__.co_filename)
    waiting, found = [own], list[Path]()
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.append(file)
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("strategies"):
                place = STRATEGIES.parent / (node.module or "").replace(".", "/")
                names = [place.with_suffix(".py"), *(place / f"{alias.name}.py" for alias in node.names)]
                waiting += [each for each in names if each.is_file()]
    return [str(each.relative_to(STRATEGIES)) for each in found]


def normal(file: str) -> str:
    """A file's source as ``ast.unparse`` writes it, so that a mutant's lines are the strategy's."""
    return ast.unparse(ast.parse((STRATEGIES / file).read_text()))


def mutants_of(file: str) -> Iterator[Mutant]:
    """All of a file, in the order of its source."""
    text = normal(file)
    seen: Counter[tuple[str, str]] = Counter()
    for index, node in enumerate(ast.walk(ast.parse(text))):
        for way in _ways(node):
            tree = ast.parse(text)
            changed = _change(tree, index, way)
            if changed is not None:
                line, said, lines = changed
                function = _function_at(tree, line)
                seen[function, said] += 1
                yield Mutant(file, function, line, said, lines, seen[function, said], ast.unparse(tree))


def _ways(node: ast.AST) -> tuple[str, ...]:
    """How a node may be changed."""
    if isinstance(node, ast.If):
        return "always", "never"
    is_broadcast = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "broadcast"
    return ("drop",) if is_broadcast or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)) else ()


def _change(tree: ast.Module, index: int, way: str) -> tuple[int, str, tuple[int, ...]] | None:
    """Change the node of that number, which stands in a function: its line, what was done, and the lines about it."""
    node: Any = list(ast.walk(tree))[index]
    line: int = node.lineno
    if _function_at(tree, line) == "":
        return None
    if isinstance(node, ast.Expr):
        said = f"without {ast.unparse(node)}"
        node.value = ast.Constant(None)
        return line, said, (line,)
    if isinstance(node, ast.If):
        said = f"{way} if {ast.unparse(node.test)}"
        node.test = ast.Constant(way == "always")
        return line, said, (line, node.body[0].lineno, *(each.lineno for each in node.orelse[:1]))
    said = f"without {ast.unparse(node.func)}"
    # Everybody has what it would have sent.
    arguments = ast.arguments([], [ast.arg("own")], None, [], [], None, [])
    node.func = ast.Lambda(arguments, ast.Name("own", ast.Load()))
    return line, said, (line,)


def _function_at(tree: ast.Module, line: int) -> str:
    """The function around a line, with its class."""
    found = ""
    for node in tree.body:
        for each in [node, *(node.body if isinstance(node, ast.ClassDef) else [])]:
            if isinstance(each, ast.FunctionDef) and each.lineno <= line <= (each.end_lineno or 0):
                found = f"{node.name}.{each.name}" if each is not node else each.name  # type: ignore[attr-defined]
    return found


def scenarios() -> Iterator[dict[str, Any]]:
    """What a strategy is certified under: as it is, with a loss of power, and with a kill and a restart."""
    yield {}
    yield {"faults": Faults(power_losses=1)}
    yield {"faults": Faults(kills=1), "restarts": 1}
    yield {"workload": Workload(steps=3, best=1), "cluster": Cluster(1, 2)}


def built(place: Path, strategy: str, mutant: Mutant | None) -> str:
    """A copy of all strategies in a package of its own; the name of the strategy in it."""
    package = f"mutant_{len(list(place.iterdir()))}"
    for file in STRATEGIES.rglob("*.py"):
        name = str(file.relative_to(STRATEGIES))
        text = mutant.source if mutant is not None and mutant.file == name else normal(name)
        copy = place / package / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text.replace("from strategies", f"from {package}"))
    loaded = registry.strategy_class(strategy)
    own = Path(loaded.save.__code__.co_filename).relative_to(STRATEGIES)
    return f"{place / package / own}:{loaded.__name__}"


def certificates(name: str, options: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """What each search of a strategy found, or an empty text, and what its certificate says was not executed."""
    place = str(Path(name.partition(":")[0]).parents[1])
    sys.path.insert(0, place)
    try:
        for each in scenarios():
            scenario = Scenario(strategy=StrategyChoice(name, options), **{"cluster": Cluster(2, 1), **each})
            try:
                result = simulator.certify(scenario, max_classes=400)
            except CkptraceError as error:
                yield f"{type(error).__name__}: {error}", []
                return
            found = "" if result.failure is None else f"{result.failure.invariant}: {result.failure.error}"
            yield found, (result.certificate or {})["not_executed"] if result.verdict == "certified" else []
            if found:
                return
    finally:
        sys.path.remove(place)
        importlib.invalidate_caches()


def fate(name: str, mutant: Mutant, options: dict[str, Any], own: list[list[Any]]) -> str:
    """What becomes of a mutant; ``own`` is what the certificates of the strategy itself say was not executed."""
    for found, _ in certificates(name, options):
        if found:
            return f"found: {found}"
    return "named" if all(_is_named(each, mutant) for each in own) else "silent"


def _is_named(not_executed: list[Any], mutant: Mutant) -> bool:
    return any(
        each["function"].split(".<locals>")[0] == mutant.function
        and each["file"].partition("/")[2] == mutant.file
        and (not each["called"] or not {*each["lines"], *each["one_way"]}.isdisjoint(mutant.lines))
        for each in not_executed
    )
