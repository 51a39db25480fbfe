"""What can go wrong with the tool itself, and the exit code that each kind of it has.

A finding (a violated invariant) is never an exception of this module: internal errors must not look like findings.
"""

from __future__ import annotations

import errno
import resource


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


def limit_reached(error: BaseException) -> str | None:
    """In one line which limit of this process or machine an exception of Python is about; None for any other."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EMFILE:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return f"too many open files: this process may have {most:,} (ulimit -n); raise it, or simulate fewer ranks"
    if number == errno.ENFILE:
        return "too many open files on this machine (fs.file-max)"
    if number == errno.EAGAIN or (isinstance(error, RuntimeError) and str(error) == "can't start new thread"):
        most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
        allowed = "without a limit" if most == resource.RLIM_INFINITY else f"{most:,}"
        return (
            "no more processes or threads can be started: this user may have so many in all: "
            f"{allowed} (ulimit -u), and a container may have a limit of its own (pids.max)"
        )
    if number == errno.ENOMEM or isinstance(error, MemoryError):
        return "there is not enough memory (ulimit -v, the machine, or its container)"
    return None
