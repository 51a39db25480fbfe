"""Threads and processes that code under test starts, and signals that it sends: refused, with the call named.

A rank is one thread of control that the engine switches; a thread of the operating system would run beside the
schedule and touch the simulation from outside any rank. ``start_thread`` is the one place to change when threads
become tasks of the engine.

Locks are not replaced. Ranks of the in-process engine share one thread of the operating system and all module
globals, so a ``threading.RLock`` is open to every rank, and a ``threading.Lock`` that one rank holds across an
operation while another one waits for it stops the process for good. Neither is so in production, where each rank has
its own. The engine's watchdog ends such a run, and the engine with real processes does not have it.
"""

from __future__ import annotations

import signal
from typing import Any, Final, NoReturn

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated, refuse, refuse_call


def start_thread(caller: Caller, call: str) -> NoReturn:
    """A thread is about to start in a rank: an escape, until the engine can make a task of it."""
    refuse(caller, call)


def thread_start(caller: Caller, thread: Any) -> None:
    """In place of ``threading.Thread.start``."""
    start_thread(caller, f"threading.Thread.start() of {thread.name!r}")


def start_new_thread(caller: Caller, function: Any, *arguments: Any, **keywords: Any) -> int:
    """In place of ``_thread.start_new_thread`` and what newer versions have beside it."""
    start_thread(caller, f"_thread.start_new_thread({getattr(function, '__qualname__', function)})")


def process_start(caller: Caller, process: Any) -> None:
    """In place of ``multiprocessing.Process.start``."""
    refuse(caller, f"multiprocessing.Process.start() of {process.name!r}")


def popen(caller: Caller, process: Any, args: Any, *arguments: Any, **keywords: Any) -> None:
    """In place of ``subprocess.Popen``."""
    # The object is half made; its finaliser asks for these.
    process._child_created = False
    process.returncode = 0
    refuse_call(caller, "subprocess.Popen", args)


def install_signal_handler(caller: Caller, signalnum: Any, handler: Any) -> Any:
    """In place of ``signal.signal``: nothing is installed in the tool's own process, and no rank gets a signal."""
    return signal.SIG_DFL


def _refused(name: str) -> Simulated:
    def call(caller: Caller, *arguments: Any, **keywords: Any) -> NoReturn:
        refuse_call(caller, name, *arguments)

    call.__doc__ = f"In place of ``{name}``: an escape."
    return call


_REFUSED: Final = {
    "os": (
        "fork", "forkpty", "posix_spawn", "posix_spawnp", "system", "execv", "execve", "kill", "killpg", "abort",
        "_exit", "pidfd_open", "unshare", "setns",
    ),
    "signal": ("alarm", "setitimer", "raise_signal", "pthread_kill", "pidfd_send_signal"),
}  # fmt: skip

FUNCTIONS: Final[dict[str, Simulated]] = {
    "_thread:start_new_thread": start_new_thread,
    "_thread:start_joinable_thread": start_new_thread,
    "signal:signal": install_signal_handler,
    **{f"{module}:{name}": _refused(f"{module}.{name}") for module, names in _REFUSED.items() for name in names},
}

METHODS: Final[dict[str, Simulated]] = {
    "threading:Thread.start": thread_start,
    "multiprocessing.process:BaseProcess.start": process_start,
    "multiprocess.process:BaseProcess.start": process_start,
    "subprocess:Popen.__init__": popen,
}
