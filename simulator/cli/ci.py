"""``ckptrace ci``: the project's scenarios within a time budget, its kept failures first, and reports for CI."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.options import OUTPUT, SEARCH, Confirm, Json, Out, Seed, TrustTrace, seconds_of
from simulator.errors import UsageError

_SCHEDULES = 1000
_NO_LIMIT = 2**62


def ci(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[DIR|FILE]...",
            help="Scenario files, trace files, and directories of them.  [default: those of [tool.ckptrace] in "
            "pyproject.toml, else scenarios]",
        ),
    ] = None,
    for_: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="All in all: 30s, 5m, 2h; shared fairly.", rich_help_panel=SEARCH),
    ] = None,
    schedules: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Of each scenario.  [default: 1000, or no limit with --for]", rich_help_panel=SEARCH
        ),
    ] = None,
    regressions: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Traces that are replayed first.  [default: regressions in each directory]",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    seed: Seed = 0,
    out: Out = Path("ckptrace-out"),
    confirm: Confirm = True,
    trust: TrustTrace = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML.", rich_help_panel=OUTPUT)] = None,
    summary: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the summary as Markdown; also added to GITHUB_STEP_SUMMARY where that is set.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    sarif: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write SARIF 2.1.0, for code scanning.", rich_help_panel=OUTPUT),
    ] = None,
    json: Json = None,
) -> int:
    """Run all scenarios of a project, the failures that it keeps first, and write reports for CI.

    A scenario that states what is known of it, as those of known bugs do, fails when that is not found.
    """
    from simulator.campaigns.suite.cases import exit_code_of
    from simulator.campaigns.suite.running import run_suite
    from simulator.cli.ci_project import cases_of, project
    from simulator.cli.ci_view import View
    from simulator.cli.output import Outputs, check_directory, check_file, write_json, write_trace
    from simulator.interruption import finishing, leaving
    from simulator.reports.github import error_commands
    from simulator.reports.junit import junit as as_junit
    from simulator.reports.markdown import counted, markdown
    from simulator.reports.sarif import sarif as as_sarif
    from simulator.reports.suite_object import Reported, suite_object
    from simulator.writing import write_whole

    known = project()
    seconds = seconds_of(for_, "--for") if for_ is not None else seconds_of(known.for_, "[tool.ckptrace] for")
    most = schedules if schedules is not None else known.schedules
    if most is not None and most < 1:
        raise UsageError(f"--schedules: must be at least 1, is {most}")
    cases = cases_of(paths or [], known, regressions)
    check_directory(out)
    for file in (junit, summary, sarif):
        check_file(None if file is None else str(file))
    check_file(json)

    started = time.perf_counter()
    view = View(sys.stderr if json == "-" else sys.stdout)
    reported: list[Reported] = []

    most = most or (_SCHEDULES if seconds is None else _NO_LIMIT)
    outputs = Outputs()
    # A signal ends the case that is under way; those after it are reported as not run.
    with leaving():
        for outcome in run_suite(
            cases, schedules=most, seconds=seconds, seed=seed, confirm=confirm, trust=trust, listener=view.begin
        ):
            with finishing():
                failure = None if outcome.result is None else outcome.result.failure
                trace = outcome.case.path if outcome.case.kind == "regression" else None
                if failure is not None and trace is None and outcome.status != "passed":
                    trace = outputs.write(write_trace, failure.trace, out)
                reported.append(Reported(outcome, trace))
                view.tell(reported[-1])
    spent = time.perf_counter() - started
    with finishing():
        view.conclude(reported, spent, seed)
        kept = regressions or _kept(paths or [], known.regressions)
        text = markdown(reported, spent, seed, kept)
        if junit is not None:
            outputs.write(write_whole, junit, as_junit(reported, seed))
        workspace = Path(os.environ.get("GITHUB_WORKSPACE") or ".")
        if sarif is not None:
            outputs.write(write_json, as_sarif(reported, workspace), str(sarif))
        if summary is not None:
            outputs.write(write_whole, summary, text.encode("utf-8", "backslashreplace"))
        if os.environ.get("GITHUB_STEP_SUMMARY"):
            outputs.write(_append, Path(os.environ["GITHUB_STEP_SUMMARY"]), text)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            for line in error_commands(reported, workspace):
                print(line, file=sys.stderr if json == "-" else sys.stdout)
        if json is not None:
            outputs.write(write_json, suite_object(reported, spent, seed), json)
    outcomes = [each.outcome for each in reported]
    outputs.conclude(counted(reported))
    return exit_code_of(outcomes)


def _kept(paths: list[Path], known: str | None) -> Path:
    """Where a trace is to be put so that the same command replays it first."""
    if known is not None and not paths:
        return Path(known)
    directory = next((path for path in paths if path.is_dir()), Path("scenarios"))
    return directory / "regressions"


def _append(path: Path, text: str) -> None:
    """The steps of a job share this file, so it is added to."""
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"GITHUB_STEP_SUMMARY: {path}: {error.strerror}") from error
