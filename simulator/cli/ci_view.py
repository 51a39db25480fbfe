"""What ``ckptrace ci`` prints: a line for each case as it ends, then each failure, then one line that sums it up."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import TextIO

from simulator.campaigns.searching.sampling import Progress
from simulator.campaigns.suite.cases import Case
from simulator.reports.markdown import counted
from simulator.reports.suite_object import Reported
from simulator.reports.terminal import console_for, print_result

_WORDS = {"passed": "ok", "failed": "FAILED", "error": "ERROR"}


class View:
    """Prints to a stream; which case is under way is shown on stderr where a person looks at it."""

    def __init__(self, stream: TextIO) -> None:
        self._console = console_for(stream)
        self._live = sys.stderr if sys.stderr.isatty() else None

    def begin(self, case: Case) -> Progress:
        """A scenario's search begins; gives the function that is told how it gets on."""

        def show(done: int, spent: float) -> None:
            if self._live is not None:
                self._live.write(f"\r\x1b[K{case.path}  {done:,} schedules, {spent:.0f} s")
                self._live.flush()

        show(0, 0.0)
        return show

    def tell(self, each: Reported) -> None:
        """A case has ended."""
        if self._live is not None:
            self._live.write("\r\x1b[K")
            self._live.flush()
        outcome = each.outcome
        word = f"{_WORDS[outcome.status]:<6}"
        self._console.print(f"{word}  {each.case.path}  {outcome.said}  ({outcome.seconds:.1f} s)", soft_wrap=True)

    def conclude(self, reported: Sequence[Reported], seconds: float, seed: int) -> None:
        """All have ended."""
        console = self._console
        for each in reported:
            outcome = each.outcome
            if outcome.status == "passed" or outcome.result is None or outcome.result.failure is None:
                continue
            console.print()
            console.rule(str(each.case.path), align="left")
            print_result(console, outcome.result)
            console.print()
            if outcome.confirmation is not None:
                console.print(f"disk    {outcome.confirmation.text}", soft_wrap=True)
            if each.trace is not None:
                console.print(f"trace   {each.trace}", soft_wrap=True)
                console.print(f"replay  ckptrace replay {shlex.quote(str(each.trace))}", soft_wrap=True)
        console.print()
        console.print(f"{counted(reported)} in {seconds:.1f} s, seed {seed}", soft_wrap=True)
