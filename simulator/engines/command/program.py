"""What is to be run: a command, and how it can be started."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from simulator.engines.process import torchrun_environment
from simulator.errors import UsageError
from simulator.interposition import target
from simulator.interposition.filter import SECCOMP, program
from simulator.interposition.system_calls import signatures
from simulator.interposition.watching import Watch

TARGET: Final = str(Path(target.__file__).parent)
"""The directory of what runs inside the program's own Python."""

_TAKES_A_VALUE: Final = frozenset({"-W", "-X", "--check-hash-based-pycs"})


class Command(msgspec.Struct, frozen=True):
    """A command line as the user gave it.

    For a Python program, ``interpreter`` are the words up to its name, ``program`` is the file or the ``module``'s
    name, ``rest`` its arguments; for another, ``interpreter`` is empty.
    """

    words: tuple[str, ...]
    interpreter: tuple[str, ...] = ()
    program: str = ""
    module: bool = False
    rest: tuple[str, ...] = ()

    @property
    def is_python(self) -> bool:
        """Whether it can be forked from a process that has imported what it imports."""
        return bool(self.interpreter)


def command_of(words: tuple[str, ...], directory: Path) -> Command:
    """Read a command line that is to be run in a directory.

    Raises UsageError, naming the word, where there is no such program.
    """
    if not words:
        raise UsageError("no command was given: ckptrace run [options] -- python train.py ...")
    executable = shutil.which(str(directory / words[0]) if "/" in words[0] else words[0])
    if executable is None:
        raise UsageError(f"{words[0]}: no such program")
    if not Path(executable).name.startswith("python"):
        return Command(words)
    at = 1
    while at < len(words) and words[at].startswith("-") and words[at] not in ("-m", "-c", "-"):
        at += 2 if words[at] in _TAKES_A_VALUE else 1
    if at >= len(words) or words[at] in ("-c", "-"):
        return Command(words)
    module = words[at] == "-m"
    named = at + module
    if named >= len(words):
        raise UsageError(f"{words[at]}: no module was named")
    if not module and not (directory / words[named]).is_file():
        raise UsageError(f"{words[named]}: no such file")
    interpreter = (executable, *words[1:at])
    return Command(words, interpreter, words[named], module, words[named + 1 :])


def base_environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every process of the program, ranks or not.

    As torchrun does, one thread a rank for OpenMP unless something else was asked for; and a fixed hash seed, since
    the order of sets is no choice of the tape.
    """
    environment = dict(os.environ if given is None else given)
    environment.setdefault("OMP_NUM_THREADS", "1")
    environment.setdefault("PYTHONHASHSEED", "0")
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (TARGET, environment.get("PYTHONPATH"))))
    return environment


def rank_environment(
    rank: int, world_size: int, ranks_per_node: int, attempt: int, port: int, watch: Watch, *, late: bool
) -> dict[str, str]:
    """What a rank finds in its environment beside that: torchrun's variables, and how it is to be held."""
    machine = platform.machine()
    names = (os.fsdecode(name).replace("\\", "\\\\").replace(":", "\\:") for name in watch.names)
    return {
        **torchrun_environment(rank, world_size, ranks_per_node, attempt),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "CKPTRACE_FILTER": program(machine, signatures(machine)).hex(),
        "CKPTRACE_SECCOMP": str(SECCOMP[machine]),
        "CKPTRACE_WATCH": ":".join(names),
        "CKPTRACE_ARM": "late" if late else "start",
    }


def launched(command: Command) -> list[str]:
    """The words that start the program when it is not Python: by way of one that puts itself under the filter."""
    return [sys.executable, str(Path(TARGET) / "ckptrace_launcher.py"), *command.words]
