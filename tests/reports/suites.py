"""Outcomes of suites, as reports get them."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from simulator.campaigns.replay.confirming import Confirmation
from simulator.campaigns.result import Failure, Result
from simulator.campaigns.suite.cases import Case, Expectation, Outcome
from simulator.errors import CannotDo
from simulator.reports.suite_object import Reported
from simulator.scenario import Scenario
from simulator.trace import Trace
from tests.reports.recordings import second_rename_fails

TEXTS = st.text(max_size=30)
"""Anything: control characters, quotes, line breaks, lone surrogates, Markdown, what XML cannot hold."""

PATHS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)


def result_of(trace: Trace | None, reason: str | None = None) -> Result:
    """The result of a search."""
    failure = None
    if trace is not None and trace.verdict is not None:
        verdict = trace.verdict
        failure = Failure(verdict.invariant, verdict.rank, verdict.message, verdict.signature, trace, schedule=7)
    said = "violated" if failure else "incomplete" if reason else "clean"
    return Result(said, 1234, 2.5, 0, {}, failure=failure, coverage="sampled: 1,234 schedules", reason=reason)


def failed(path: str = "scenarios/racy.toml", error: str | None = None) -> Reported:
    """A scenario with a failure, which was confirmed."""
    trace = second_rename_fails()
    result = result_of(trace)
    assert result.failure is not None
    if error is not None:
        result.failure.error = error
    confirmation = Confirmation("confirmed", "confirmed on ext4")
    return Reported(Outcome(Case(Path(path), Scenario()), 3.0, result, None, confirmation), Path("out/trace 1.json"))


def passed(path: str = "scenarios/sound.toml") -> Reported:
    """A scenario in which nothing was found."""
    return Reported(Outcome(Case(Path(path), Scenario()), 2.5, result_of(None)))


def broken(said: str = "none of 2 ranks made a call about a file", path: str = "scenarios/alone.toml") -> Reported:
    """A scenario that could not be run."""
    return Reported(Outcome(Case(Path(path), Scenario()), 0.1, error=CannotDo(said)))


def missed(said: str = "expected violated keep, found clean") -> Reported:
    """A known bug that was not found."""
    case = Case(Path("corpus/known.toml"), Scenario(), Expectation("violated", "keep"))
    return Reported(Outcome(case, 1.0, result_of(None), said))


def replayed() -> Reported:
    """A kept failure that fails again."""
    trace = second_rename_fails()
    path = Path("scenarios/regressions/kept.json")
    return Reported(Outcome(Case(path, trace), 0.2, result_of(trace)), path)


@st.composite
def reports(draw: st.DrawFn) -> list[Reported]:
    """Suites of anything, with texts of anything."""
    kinds = {
        "failed": lambda: failed(draw(PATHS), draw(TEXTS)),
        "passed": lambda: passed(draw(PATHS)),
        "broken": lambda: broken(draw(TEXTS), draw(PATHS)),
        "missed": lambda: missed(draw(TEXTS)),
        "replayed": replayed,
    }
    return [kinds[kind]() for kind in draw(st.lists(st.sampled_from(sorted(kinds)), max_size=4))]
