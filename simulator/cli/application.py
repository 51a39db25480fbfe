"""The commands put together, and what every one of them does with errors: one line on stderr and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from simulator.cli.certify import certify
from simulator.cli.ci import ci
from simulator.cli.compare import compare
from simulator.cli.demo import demo
from simulator.cli.explore import explore
from simulator.cli.fuzz import fuzz
from simulator.cli.gpu import gpu
from simulator.cli.help import GroupedCommand
from simulator.cli.init import init
from simulator.cli.profiles import profiles
from simulator.cli.races import races
from simulator.cli.replay import replay
from simulator.cli.run import run as run_command
from simulator.cli.schema import schema
from simulator.cli.shapes import shapes
from simulator.cli.show import show
from simulator.cli.standard_output import prepare, refusal
from simulator.cli.strategies import strategies
from simulator.errors import CkptraceError, limit_reached
from simulator.interruption import asked, interruptible
from simulator.writing import visible

CANNOT_DO = 3
USAGE = 2
_INTERRUPTED = 130
"""What newer versions of typer give for Ctrl-C, where older ones raise Abort."""


def application() -> typer.Typer:
    """The application with all its commands."""
    app = typer.Typer(
        name="ckptrace",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Finds, explains and replays the races in how the ranks of a training job save, rename and delete "
        "checkpoints.",
        epilog="Exit codes: 0 nothing found, 1 a violation, 2 a usage or scenario error, 3 the tool could not do what "
        "was asked.",
    )
    app.callback()(_options)
    for command in (
        explore,
        certify,
        fuzz,
        ci,
        replay,
        show,
        races,
        compare,
        strategies,
        profiles,
        shapes,
        gpu,
        demo,
        init,
        schema,
    ):
        app.command(cls=GroupedCommand)(command)
    app.command("run", cls=GroupedCommand)(run_command)
    return app


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Whatever goes wrong ends as one line on stderr and an exit code, never as a finding."""
    command = typer.main.get_command(application())
    prepare()
    with interruptible():
        return _run(command, list(sys.argv[1:] if arguments is None else arguments))


def _run(command: Any, given: list[str]) -> int:
    try:
        code = command.main(given or ["--help"], prog_name="ckptrace", standalone_mode=False)
        sys.stdout.flush()
        if code == _INTERRUPTED:
            return _said(asked() or "interrupted", CANNOT_DO)
    except CkptraceError as error:
        return _said(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _said(asked() or "interrupted", CANNOT_DO)
    except (Exception, SystemExit) as error:
        lost = refusal()
        if lost is not None:
            # Whoever read our output is gone, or its disk is full.
            return (
                CANNOT_DO
                if isinstance(lost, BrokenPipeError)
                else _said(f"standard output: {lost.strerror}", CANNOT_DO)
            )
        if isinstance(error, SystemExit):
            raise
        # Errors of the argument parser; their classes moved between versions of typer.
        message = getattr(error, "format_message", None)
        if message is not None:
            return _said(message(), USAGE)
        limit = limit_reached(error)
        return _internal(error) if limit is None else _said(limit, CANNOT_DO)
    return code if isinstance(code, int) else 0


def _said(message: str, code: int) -> int:
    print(visible(f"ckptrace: {' '.join(message.split())}"), file=sys.stderr)
    return code


def _internal(error: Exception) -> int:
    import traceback

    traceback.print_exception(error)
    return _said(
        f"internal error: {type(error).__name__}: {error}. This is a fault of ckptrace and says nothing about the code "
        "under test; please report it with the lines above",
        CANNOT_DO,
    )


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ckptrace {version('ckptrace')}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What comes before a command."""
