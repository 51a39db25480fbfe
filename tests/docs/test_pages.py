"""The documents, carried out as a reader would: their files, their changes, their commands, and what these print."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

# pytester forgets what a session imports. Ranks run in one boundary in each process, which must not be loaded twice.
import simulator.exhaustive.checkpoint
import simulator.pytest_plugin.race  # noqa: F401
from simulator import scenario
from simulator.cli import main
from simulator.cli.application import application

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [ROOT / "docs" / "tutorial.md", *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
EVERYWHERE = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LEFT_OUT = "[…]"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_everything_on_a_page_is_as_it_says(
    page: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """``console`` is a command and what it prints, ``[…]`` lines and ``…`` text that is left out; ``# NAME`` a file."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.syspath_prepend(pytester.path)
    for language, text in blocks(page.read_text(encoding="utf-8")):
        first, _, rest = text.partition("\n")
        if language == "diff":
            change(pytester.path / first.removeprefix("--- "), rest.splitlines())
        elif language == "console":
            assert mismatch(rest.splitlines(), printed(first.removeprefix("$ "), pytester, capfd)) is None
        elif (named := re.fullmatch(r"# (\S+\.(?:py|toml))", first)) is not None:
            path = pytester.path / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(rest, encoding="utf-8")
        elif language == "toml":
            scenario.from_table(tomllib.loads(text), page.name)
        else:
            exec(text, {})


def printed(command: str, pytester: pytest.Pytester, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that a command of a page prints, carried out in this process."""
    program, *arguments = shlex.split(command)
    capfd.readouterr()
    if program == "pytest":
        return [line.rstrip() for line in pytester.runpytest_inprocess("-W", "default", *arguments).outlines]
    assert program == "ckptrace"
    assert main(arguments) in (0, 1)
    return [line.rstrip() for line in capfd.readouterr().out.splitlines()]


@pytest.mark.parametrize("page", EVERYWHERE, ids=lambda page: page.stem)
def test_the_commands_that_are_only_shown_are_accepted(page: Path) -> None:
    """Long ones, and those for other machines: their options must be ones that there are."""
    import typer

    commands = typer.main.get_command(application()).commands  # type: ignore[attr-defined]
    shown = re.findall(r"^```(?:shell|)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    for line in "".join(shown).splitlines():
        if line.startswith("ckptrace "):
            _, name, *arguments = shlex.split(line, comments=True)
            commands[name].make_context(name, list(arguments))


@pytest.mark.parametrize("page", EVERYWHERE, ids=lambda page: page.stem)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_test_of_the_readme_finds_the_race_of_the_readme(pytester: pytest.Pytester) -> None:
    shown = [text for language, text in blocks(README.read_text(encoding="utf-8")) if language == "python"]
    (saving,) = (text for text in shown if "def saver(" in text)
    (test,) = (text for text in shown if "checkpoint_race" in text)
    pytester.makepyfile(saving=saving, test_saving=test)
    result = pytester.runpytest_inprocess("-W", "default")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *FileNotFoundError: *", "*The order of A and B decides: here A comes first."])


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """The blocks that are carried out, with their languages."""
    yield from re.findall(r"^```(python|toml|diff|console)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


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
