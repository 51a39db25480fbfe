"""What of the code under test a search never executed: a certificate says nothing of it.

Statements, and conditions that came out one way only, of the functions that the code under test could come to: those of
its class, and from each function those that it names, in the files whose digest the certificate has. While it is
measured, each of these functions runs with code compiled from the same source in which a call comes before every
statement and around every condition, on the same lines. It sees every run, costs little, and is the same on every
version of Python, where ``sys.settrace`` makes all of the simulator several times slower. A function whose source is
not there, or is not what was compiled, is left as it is, and nothing is said of it.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import msgspec

from simulator.exhaustive.code_under_test import files_under_test, roots_of
from simulator.experiment import Experiment

_STATEMENT, _CONDITION = "\0statement", "\0condition"
"""Stand in a compiled function for what is called; a constant of a source cannot be mistaken for them by accident."""

_Key = tuple[str, str, int]
"""A function: its file, its qualified name, its first line."""


class NotExecuted(msgspec.Struct, frozen=True):
    """Of one function: that it was never ``called``; else its ``lines``, and those of conditions that came out one way.

    A condition is only in ``one_way`` where no line says it.
    """

    file: str
    function: str
    line: int
    called: bool
    lines: tuple[int, ...] = ()
    one_way: tuple[int, ...] = ()

    @property
    def words(self) -> str:
        """``Incremental.recover (never called)`` or ``_link (172-173)``."""
        return f"{self.function} ({_ranges(self.lines) if self.called else 'never called'})"


class Executed:
    """What was executed of the code under test, while it was ``measured``, by the numbers of statements and conditions.

    ``2n`` is the n-th statement, or that the n-th condition was false, ``2n + 1`` that it was true.
    """

    def __init__(self, experiment: Experiment) -> None:
        files = files_under_test(experiment)
        functions = reachable_functions(roots_of(experiment), {str(file) for file in files})
        wanted = {str(Path(each.__code__.co_filename).resolve()) for each in functions}
        self._marked = _Marked()
        self._reached: set[int] = set()
        self._taken: set[int] = set()
        compiled: dict[_Key, tuple[CodeType, CodeType]] = {}
        for file, name in files.items():
            if str(file) in wanted:
                compiled.update(self._marked.compiled(file, name, self._reached.add, self._noted))
        self._swaps: list[tuple[FunctionType, CodeType, CodeType]] = []
        for function in functions:
            code = function.__code__
            key = (str(Path(code.co_filename).resolve()), code.co_qualname, code.co_firstlineno)
            plain, marked = compiled.get(key, (None, None))
            if marked is not None and plain == code:
                self._swaps.append((function, code, marked.replace(co_filename=code.co_filename)))
                self._marked.reachable.add(key)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """While this lasts, what is executed is noted."""
        for function, _, marked in self._swaps:
            function.__code__ = marked
        try:
            yield
        finally:
            for function, code, _ in self._swaps:
                function.__code__ = code

    def take(self) -> list[int]:
        """What was executed for the first time since this was asked last, sorted."""
        fresh = sorted(self._reached - self._taken)
        self._taken.update(fresh)
        return fresh

    def left_out(self, reached: set[int]) -> list[NotExecuted]:
        """What is not among these numbers, function by function."""
        return self._marked.left_out(reached)

    def _noted(self, number: int, value: Any) -> Any:
        self._reached.add(number + 1 if value else number)
        return value


class _Point(msgspec.Struct, frozen=True):
    """A statement, or a condition; ``told`` are the lines that say so when it is never true, or never false."""

    function: _Key
    line: int
    condition: bool
    told: tuple[int | None, int | None] = (None, None)


class _Marked(ast.NodeTransformer):
    """Puts the calls into the functions of files, and knows what each number stands for."""

    def __init__(self) -> None:
        self.points: list[_Point] = []
        self.reachable: set[_Key] = set()
        self._names: dict[str, str] = {}
        self._file = ""
        self._scopes: list[tuple[str, int, bool]] = []

    def compiled(
        self, file: Path, name: str, statement: Callable[[int], None], condition: Callable[[int, Any], Any]
    ) -> Iterator[tuple[_Key, tuple[CodeType, CodeType]]]:
        """The functions of a file, each as it is and with the calls in it."""
        source = file.read_bytes()
        self._file, self._names[str(file)] = str(file), name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                plain = compile(source, str(file), "exec", dont_inherit=True)
                tree = self.visit(ast.parse(source))
                marked = compile(ast.fix_missing_locations(tree), str(file), "exec", dont_inherit=True)
            except (SyntaxError, ValueError, RecursionError):
                return
        called: dict[str, Callable[..., Any]] = {_STATEMENT: statement, _CONDITION: condition}
        for one, other in zip(_nested(plain), _nested(_with_constants(marked, called)), strict=False):
            if (one.co_qualname, one.co_firstlineno) == (other.co_qualname, other.co_firstlineno):
                yield (str(file), one.co_qualname, one.co_firstlineno), (one, other)

    def left_out(self, reached: set[int]) -> list[NotExecuted]:
        """See ``Executed.left_out``."""
        found = []
        of_functions: dict[_Key, list[int]] = {}
        for number, point in enumerate(self.points):
            of_functions.setdefault(point.function, []).append(number)
        for key, numbers in of_functions.items():
            if not any(_is_within(key, each) for each in self.reachable):
                continue
            file, function, line = key
            about = partial(NotExecuted, self._names[file], function.replace("<locals>.", ""), line)
            statements = [n for n in numbers if not self.points[n].condition]
            if not any(2 * n in reached for n in statements):
                found.append(about(called=False))
                continue
            lines = {self.points[n].line for n in statements if 2 * n not in reached}
            one_way = set()
            for n in set(numbers) - set(statements):
                was_false, was_true = 2 * n in reached, 2 * n + 1 in reached
                told = self.points[n].told[0 if was_false else 1]
                if was_false != was_true and told not in lines:
                    one_way.add(self.points[n].line)
            if lines or one_way:
                found.append(about(True, tuple(sorted(lines)), tuple(sorted(one_way))))
        return found

    # -- the tree -----------------------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._scope(node, is_function=True)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._scope(node, is_function=True)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._scope(node, is_function=False)

    def _scope(self, node: Any, *, is_function: bool) -> ast.AST:
        # What stands around it, its decorators and defaults, belongs to the scope outside.
        first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        self._scopes.append((node.name, first, is_function))
        node.body = self._block(node.body, has_docstring=True)
        self._scopes.pop()
        return node  # type: ignore[no-any-return]

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, field, self._block(value))
            elif isinstance(value, list):
                setattr(node, field, [self.visit(each) if isinstance(each, ast.AST) else each for each in value])
            elif isinstance(value, ast.AST):
                setattr(node, field, self.visit(value))
        return node

    def visit_If(self, node: ast.If) -> ast.AST:
        told = node.body[0].lineno, node.orelse[0].lineno if node.orelse else None
        node.test = self._condition(node.test, told)
        node.body, node.orelse = self._block(node.body), self._block(node.orelse)
        return node

    def visit_While(self, node: ast.While) -> ast.AST:
        node.test = self._condition(node.test)
        node.body, node.orelse = self._block(node.body), self._block(node.orelse)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        node.test = self._condition(node.test)
        node.body, node.orelse = self.visit(node.body), self.visit(node.orelse)
        return node

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        node.iter = self.visit(node.iter)
        node.ifs = [self._condition(each) for each in node.ifs]
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        """As a value: the last one decides nothing."""
        node.values = [*map(self._condition, node.values[:-1]), self.visit(node.values[-1])]
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        return node

    def _block(self, statements: list[ast.stmt], *, has_docstring: bool = False) -> list[ast.stmt]:
        marked: list[ast.stmt] = []
        for number, statement in enumerate(statements):
            is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            declares = isinstance(statement, ast.Global | ast.Nonlocal) or (is_text and has_docstring and not number)
            if self._in_function and not declares:
                call = self._call(_STATEMENT, statement, statement.lineno)
                marked.append(ast.copy_location(ast.Expr(call), call))
            visited = self.visit(statement)
            marked.append(visited)
        return marked

    def _condition(self, test: ast.expr, told: tuple[int | None, int | None] = (None, None)) -> ast.expr:
        """An expression whose value is used as true or false."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test.operand = self._condition(test.operand, told[::-1])
            return test
        if isinstance(test, ast.BoolOp):
            test.values = [self._condition(value) for value in test.values]
            return test
        line, visited = test.lineno, self.visit(test)
        if isinstance(test, ast.Constant) or not self._in_function:
            return visited  # type: ignore[no-any-return]
        return self._call(_CONDITION, test, line, visited, told=told)

    def _call(self, what: str, place: ast.AST, line: int, *given: ast.expr, told: Any = (None, None)) -> ast.Call:
        number = 2 * len(self.points)
        self.points.append(_Point(self._function(), line, what == _CONDITION, told))
        return _placed(ast.Call(ast.Constant(what), [ast.Constant(number), *given], []), place)

    @property
    def _in_function(self) -> bool:
        return bool(self._scopes) and self._scopes[-1][2]

    def _function(self) -> _Key:
        names = []
        for name, _, is_function in self._scopes[:-1]:
            names += [name, "<locals>"] if is_function else [name]
        name, first, _ = self._scopes[-1]
        return self._file, ".".join([*names, name]), first


def in_words(left_out: Sequence[NotExecuted], most: int = 8) -> str | None:
    """What a certificate says of it; None where there is nothing to say."""
    lines = sorted((each for each in left_out if each.lines or not each.called), key=lambda each: each.called)
    conditions = sum(len(each.one_way) for each in left_out)
    parts = []
    for file in dict.fromkeys(each.file for each in lines[:most]):
        parts.append(f"{file}: " + ", ".join(each.words for each in lines[:most] if each.file == file))
    if len(lines) > most:
        parts.append(f"{len(lines) - most} more functions")
    if conditions:
        parts.append(f"{conditions} condition{'s' * (conditions > 1)} that came out one way only")
    return "; ".join(parts) or None


def reachable_functions(roots: Sequence[Any], files: set[str]) -> list[FunctionType]:
    """The functions that the code under test could come to, as far as the names in them tell, in these files."""
    waiting, known = list(roots), set()
    found: list[FunctionType] = []
    while waiting:
        each = waiting.pop()
        if id(each) in known:
            continue
        known.add(id(each))
        if isinstance(each, type):
            waiting += [value for base in each.__mro__ for value in vars(base).values()]
        elif isinstance(each, staticmethod | classmethod | MethodType):
            waiting.append(each.__func__)
        elif isinstance(each, property):
            waiting += [each.fget, each.fset, each.fdel]
        elif isinstance(each, partial):
            waiting.append(each.func)
        elif isinstance(each, FunctionType):
            waiting.append(getattr(each, "__wrapped__", None))
            if str(Path(each.__code__.co_filename).resolve()) in files:
                found.append(each)
                waiting += _named(each)
    return found


def _named(function: FunctionType) -> Iterator[Any]:
    """What the names in a function's code may stand for."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # It is empty still.
            continue
    names = set(chain.from_iterable(code.co_names for code in _nested(function.__code__)))
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            yield from (vars(value).get(other) for other in names)
        else:
            yield value


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _with_constants(code: CodeType, called: dict[str, Callable[..., Any]]) -> CodeType:
    constants = tuple(
        _with_constants(each, called)
        if isinstance(each, CodeType)
        else called.get(each, each)
        if isinstance(each, str)
        else each
        for each in code.co_consts
    )
    return code.replace(co_consts=constants)


def _is_within(inner: _Key, outer: _Key) -> bool:
    return inner == outer or (inner[0] == outer[0] and inner[1].startswith(f"{outer[1]}.<locals>."))


def _placed(call: ast.Call, place: ast.AST) -> ast.Call:
    for node in (call, call.func, call.args[0]):
        ast.copy_location(node, place)
    return call


def _ranges(lines: Sequence[int]) -> str:
    """``12-14, 20``."""
    parts: list[list[int]] = []
    for line in lines:
        if parts and line == parts[-1][1] + 1:
            parts[-1][1] = line
        else:
            parts.append([line, line])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
