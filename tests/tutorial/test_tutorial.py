"""The tutorial, run as a reader would run it: its files, its changes, its commands, and what they print."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

# pytester forgets what a session imports. Ranks run in one boundary in each process, which must not be loaded twice.
import simulator.exhaustive.checkpoint
import simulator.pytest_plugin.race  # noqa: F401

TUTORIAL = Path(__file__).parents[2] / "TUTORIAL.md"
README = TUTORIAL.with_name("README.md")
LEFT_OUT = "[…]"


def test_everything_in_it_is_as_it_says(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = 0
    for language, text in blocks(TUTORIAL.read_text(encoding="utf-8")):
        first, _, rest = text.partition("\n")
        if language == "python":
            (pytester.path / first.removeprefix("# ")).write_text(rest, encoding="utf-8")
        elif language == "diff":
            change(pytester.path / first.removeprefix("--- "), rest.splitlines())
        else:
            program, *arguments = shlex.split(first.removeprefix("$ "))
            assert program == "pytest"
            result = pytester.runpytest_inprocess("-W", "default", *arguments)
            assert mismatch(rest.splitlines(), [line.rstrip() for line in result.outlines]) is None
            ran += 1
    assert ran == 4


def test_the_test_of_the_readme_finds_the_race_of_the_readme(pytester: pytest.Pytester) -> None:
    shown = [text for language, text in blocks(README.read_text(encoding="utf-8")) if language == "python"]
    (saving,) = (text for text in shown if "def saver(" in text)
    (test,) = (text for text in shown if "checkpoint_race" in text)
    pytester.makepyfile(saving=saving, test_saving=test)
    result = pytester.runpytest_inprocess("-W", "default")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *FileNotFoundError: *", "*The order of A and B decides: here A comes first."])


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """The blocks of code with their languages."""
    yield from re.findall(r"^```(python|diff|console)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def change(path: Path, lines: list[str]) -> None:
    """Apply a change whose old lines are found in one place."""
    old = "".join(line[1:] + "\n" for line in lines if not line.startswith("+"))
    new = "".join(line[1:] + "\n" for line in lines if not line.startswith("-"))
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")


def mismatch(expected: list[str], printed: list[str]) -> str | None:
    """The first expected line that was not printed in its place; an ellipsis stands for anything."""
    here, free = 0, False
    for line in expected:
        if line == LEFT_OUT:
            free = True
            continue
        pattern = re.compile(".*".join(re.escape(part) for part in line.split("…")))
        while free and here < len(printed) and not pattern.fullmatch(printed[here]):
            here += 1
        if here == len(printed) or not pattern.fullmatch(printed[here]):
            return f"{line!r} is not line {here + 1} of:\n" + "\n".join(printed)
        here, free = here + 1, False
    return None


def test_a_line_that_is_not_printed_is_found() -> None:
    printed = ["a", "b 1", "c", "d"]
    assert mismatch(["a", "b …", LEFT_OUT, "d"], printed) is None
    assert mismatch([LEFT_OUT, "c", LEFT_OUT], printed) is None
    assert mismatch(["a", "c"], printed) is not None
    assert mismatch([LEFT_OUT, "d", "a"], printed) is not None
    assert mismatch(["a", "b"], printed) is not None
