"""The command line: reads the request, runs a campaign, hands its result to the reports."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line on ``arguments`` (those of the process by default). Gives the exit code.

    0: nothing found. 1: a violation. 2: a usage or scenario error. 3: the tool could not do what was asked.
    """
    from simulator.cli.application import run

    return run(arguments)
