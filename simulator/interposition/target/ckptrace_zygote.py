"""A process that imports what the program imports and forks the ranks of each schedule, so that they start at once.

Requests and answers are lines of JSON on the socket whose descriptor is in ``CKPTRACE_REQUESTS``. A request to fork
comes with four descriptors: the rank's channel, its standard output, its standard error, and a file for the names of
the modules that it has imported when it ends.
"""

from __future__ import annotations

import array
import atexit
import builtins
import fcntl
import gc
import importlib
import importlib.machinery
import io
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import threading
import traceback
import types
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import ckptrace_arming
import ckptrace_meetings
import ckptrace_sources

_LONGEST = 1 << 20
_OUT_OF_THE_WAY = 200


def main() -> None:
    """Serve until the controller hangs up."""
    ckptrace_meetings.watch()
    channel = socket.socket(fileno=int(os.environ.pop("CKPTRACE_REQUESTS")))
    os.set_inheritable(channel.fileno(), False)
    own = os.getpid()
    imported = []
    while True:
        data, rights, _, _ = channel.recvmsg(_LONGEST, socket.CMSG_SPACE(4 * 4))
        if not data:
            return
        request = json.loads(data)
        descriptors = array.array("i")
        for _, _, part in rights:
            descriptors.frombytes(part[: len(part) - len(part) % descriptors.itemsize])
        kind = request["kind"]
        if kind == "import":
            for name in request["modules"]:
                try:
                    importlib.import_module(name)
                    imported.append(name)
                except BaseException:
                    continue  # It will fail in the program as well, or was only ever tried.
            answer: dict[str, int | None] = {"imported": len(imported)}
            gc.collect()
            gc.freeze()
        elif kind == "fork":
            sys.stdout.flush()
            sys.stderr.flush()
            try:
                pid = os.fork()
            except OSError as error:
                answer = {"errno": error.errno}
            else:
                if pid == 0:
                    ckptrace_arming.die_with(own)
                    channel.close()
                    _rank(request, list(descriptors))
                answer = {"pid": pid}
        else:
            answer = {"status": _wait(request["pid"])}
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(json.dumps(answer).encode())


def _wait(pid: int) -> int | None:
    try:
        return os.waitpid(pid, 0)[1]
    except ChildProcessError:
        return None


def _rank(request: dict[str, Any], descriptors: Sequence[int]) -> None:
    """Become a rank, in the forked process. Never returns."""
    code, known, report = 1, set(sys.modules), -1
    try:
        os.setsid()
        arming, out, err, report = descriptors
        # Out of the way: what a program opens gets the numbers that it would get without.
        report = _moved_up(report)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.close(out)
        os.close(err)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        # Of the ranks' own now, whatever the zygote's were.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.stdout = os.fdopen(1, "w", closefd=False, buffering=1)
        sys.stderr = os.fdopen(2, "w", closefd=False, buffering=1)
        os.environ.clear()
        os.environ.update(request["environment"])
        os.environ["CKPTRACE_CHANNEL"] = str(arming)
        os.chdir(request["directory"])
        sys.argv = request["arguments"]
        ckptrace_arming.begin()
        code = _run(request)
    except SystemExit as ending:
        code = _code_of(ending)
    except BaseException:
        # As the interpreter would print it, without the frames of this file and of runpy.
        kind, error, frames = sys.exc_info()
        own = (__file__, runpy.__file__, "<frozen runpy>")
        while frames is not None and frames.tb_frame.f_code.co_filename in own:
            frames = frames.tb_next
        ckptrace_sources.raised(frames)
        traceback.print_exception(kind, error, frames)
    finally:
        try:
            _end()
            _report(report, known)
        finally:
            os._exit(code)


def _run(request: dict[str, Any]) -> int:
    """Run the program as its ``__main__``, with the module, path and arguments that Python gives it itself."""
    program = request["program"]
    if not getattr(sys.flags, "safe_path", False):
        # Where this file lies is there now. Python resolves links of a program, but not of the current directory.
        sys.path[0] = os.getcwd() if request["module"] else os.path.dirname(os.path.realpath(program))
    main = types.ModuleType("__main__")
    main.__dict__["__builtins__"] = builtins
    if "__annotations__" in globals():  # As Python up to 3.13 has it from the start.
        main.__annotations__ = {}
    if request["module"]:
        sys.modules["__main__"] = main
        runpy._run_module_as_main(program)  # type: ignore[attr-defined]
    elif program.endswith(".pyc") or pkgutil.get_importer(program) is not None:
        runpy.run_path(program, run_name="__main__")
    else:
        file = os.path.abspath(program) if sys.version_info >= (3, 9) else program
        sys.modules["__main__"] = main
        loader = importlib.machinery.SourceFileLoader("__main__", file)
        main.__dict__.update(__loader__=loader, __file__=file, __cached__=None)
        with io.open_code(program) as source:
            code = compile(source.read(), file, "exec", dont_inherit=True)
        exec(code, main.__dict__)
    return 0


def _code_of(ending: SystemExit) -> int:
    if ending.code is None:
        return 0
    if isinstance(ending.code, int):
        return ending.code & 0xFF
    print(ending.code, file=sys.stderr)
    return 1


def _moved_up(descriptor: int) -> int:
    try:
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY)
    except OSError:  # So many may not be open here.
        return descriptor
    os.close(descriptor)
    return moved


def _report(file: int, known: set[str]) -> None:
    """Say which modules the program has imported by itself, so that later ranks find them here already."""
    names = "\n".join(name for name in sys.modules if name not in known and name != "__main__")
    data = names.encode("utf-8", "surrogateescape")
    with suppress(OSError):  # The program may have closed all that it found open.
        os.pwrite(file, data, 0)
        os.ftruncate(file, len(data))


def _end() -> None:
    """What an interpreter does before it ends: wait for threads, run what was registered, write what is buffered."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()


if __name__ == "__main__":
    main()
