"""Failures as GitHub's workflow commands: the lines of the deciding operations are marked in the pull request.

The commands and their escapes are those of GitHub's runner (``::error file=…,line=…,title=…::message``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from simulator.portable import here
from simulator.reports.reason import Reason, reason_of
from simulator.reports.suite_object import Reported
from simulator.writing import visible


def error_commands(reported: Sequence[Reported], workspace: Path) -> Iterator[str]:
    """One command for each line of a failure's deciding operations, and for the line that raised.

    Where none of them is a file in ``workspace``, and for what is no failure, the scenario's file is marked.
    """
    for each in reported:
        outcome = each.outcome
        if outcome.status == "passed":
            continue
        failure = None if outcome.result is None else outcome.result.failure
        title = f"{each.case.path.stem}: {outcome.status if failure is None else failure.invariant}"
        for (file, line), text in marked(each, workspace).items():
            yield f"::error file={_value(file)},line={line},title={_value(title)}::{_data(text)}"


def marked(each: Reported, workspace: Path) -> dict[tuple[str, int], str]:
    """The lines, by file and number, that an outcome which did not pass is about, each with what is to be said there.

    The first is where the operation failed or, of a pair, the earlier one was made.
    """
    outcome, found = each.outcome, dict[tuple[str, int], str]()
    failure = None if outcome.result is None else outcome.result.failure
    if failure is not None and outcome.error is None:
        reason = reason_of(failure.trace)
        for site, text in _sites(reason):
            place = _place(site, workspace)
            if place is not None:
                found.setdefault(place, f"{text}\n{reason.message}\n{' '.join(reason.sentences)}".rstrip())
    return found or {(_relative(each.case.path, workspace) or str(each.case.path), 1): outcome.said}


def _sites(reason: Reason) -> Iterator[tuple[str | None, str]]:
    for one in reason.cited:
        letter = "" if one.letter == "!" else f"{one.letter}: "
        yield one.site, f"{letter}{one.text}"
    yield reason.site, reason.meaning


def _place(site: str | None, workspace: Path) -> tuple[str, int] | None:
    """The file, relative to the workspace, and the line; None for what lies elsewhere."""
    file, _, line = (site or "").rpartition(":")
    if not file or not line.isdigit():
        return None
    path = here() / file
    if not Path(file).is_absolute() and not path.is_file():
        return None  # Of an installed package.
    relative = _relative(path, workspace)
    return None if relative is None else (relative, int(line))


def _relative(file: Path, workspace: Path) -> str | None:
    path, root = file.resolve(), workspace.resolve()
    return str(path.relative_to(root)) if path.is_relative_to(root) else None


def _data(text: str) -> str:
    return visible(text.replace("\r", "\n")).replace("%", "%25").replace("\n", "%0A")


def _value(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
