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

_VALUED: Final = "WX"
"""Of Python's options of one letter those that take a value, which ends their word or is the next one."""
_ALONE: Final = "EIS"
"""With these Python looks at no PYTHONPATH or imports no ``sitecustomize``: it does not put itself under the filter."""


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
    at, module, inside = _program_at(words)
    if at is None:
        return Command(words)
    named = inside or (words[at] if at < len(words) else "")
    if module and not named:
        raise UsageError("-m: no module was named")
    if not module and not (directory / named).is_file():
        raise UsageError(f"{named}: no such file")
    options = (*words[1 : at - 1], *_before(words[at - 1])) if module else words[1:at]
    return Command(words, (executable, *options), named, module, words[at if inside else at + 1 :])


def _program_at(words: tuple[str, ...]) -> tuple[int | None, bool, str]:
    """Where behind Python's own options its program is named, whether as a module, and what of that ``-m``'s word says.

    None where there is no file or module, or where an option keeps Python from putting itself under the filter.
    Options are read as CPython's ``Python/getopt.c`` does.
    """
    at = 1
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        word = words[at]
        at += 1
        if word == "--":
            break
        if word.startswith("--"):
            at += word == "--check-hash-based-pycs"
            continue
        for index, letter in enumerate(word[1:], 2):
            if letter == "m":
                return at, True, word[index:]
            if letter == "c" or letter in _ALONE:
                return None, False, ""
            if letter in _VALUED:
                at += index == len(word)
                break
    return (None if at >= len(words) or words[at] == "-" else at), False, ""


def _before(word: str) -> tuple[str, ...]:
    """The options in the word that ends with ``-m``, or with a module's name behind that."""
    flags = word[1:].partition("m")[0]
    return (f"-{flags}",) if flags else ()


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
