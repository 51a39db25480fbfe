"""What can go wrong with the tool itself, and the exit code that each kind of it has.

A finding (a violated invariant) is never an exception of this module: internal errors must not look like findings.
"""

from __future__ import annotations


class CkptraceError(Exception):
    """Base of every error that a user sees as one line; ``exit_code`` is the command's exit code."""

    exit_code = 3


class UsageError(CkptraceError):
    """The request cannot be read: a bad scenario, an unknown name, a corrupt file. The text names the thing."""

    exit_code = 2


class CannotDo(CkptraceError):
    """The tool could not do what was asked: nothing was touched, a budget ended the run, replay diverged."""


class Escape(CannotDo):
    """Code under test reached past the simulation, for example to the real disk. The text names the call."""


class Divergence(CannotDo):
    """A replay left the recorded schedule. The text names the first step that differs."""


class RankKilled(BaseException):
    """Raised inside a rank that has been killed, at each operation that it still tries.

    Not an ``Exception``: code under test must not swallow it, as it could not swallow SIGKILL.
    """
