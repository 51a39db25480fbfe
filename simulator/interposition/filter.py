"""The filter that makes a process stop at the system calls that are held: a program for seccomp(2), by hand.

Classic BPF, linux/bpf_common.h and linux/filter.h. Calls made for another machine's ABI (32-bit code on x86-64, x32)
are refused with ENOSYS, since their numbers mean other calls.
"""

from __future__ import annotations

import errno
import os
import platform
import struct
from collections.abc import Collection
from functools import cache
from typing import Final

from simulator.errors import CannotDo
from simulator.interposition.system_calls import AUDIT_ARCHITECTURES, signatures
from simulator.interposition.target import ckptrace_arming

_LOAD_WORD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_AT_LEAST: Final = 0x35
_AND: Final = 0x54
_RETURN: Final = 0x06

_ALLOW: Final = 0x7FFF0000
_NOTIFY: Final = 0x7FC00000
_ERROR: Final = 0x00050000

_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
_ARGUMENTS_AT: Final = 16
"""Offsets in ``struct seccomp_data``."""

_X32: Final = 0x40000000

SECCOMP: Final = {"x86_64": 317, "aarch64": 277}


def program(machine: str, numbers: Collection[int]) -> bytes:
    """The filter's instructions, ``struct sock_filter`` each: notify at these numbers, allow all others.

    Where a call is held under a condition only, it is allowed where that is not met.
    """
    refused = _ERROR | errno.ENOSYS
    code = [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_IF_EQUAL, 1, 0, AUDIT_ARCHITECTURES[machine]),
        (_RETURN, 0, 0, refused),
        (_LOAD_WORD, 0, 0, _NUMBER_AT),
    ]
    if machine == "x86_64":
        code += [(_JUMP_IF_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, refused)]
    known = signatures(machine)
    for number in sorted(numbers):
        condition = known[number].when
        if condition is not None:
            values = condition.values
            code += [
                (_JUMP_IF_EQUAL, 0, 4 + len(values), number),
                (_LOAD_WORD, 0, 0, _ARGUMENTS_AT + 8 * condition.argument),
                (_AND, 0, 0, condition.mask),
                *((_JUMP_IF_EQUAL, len(values) - at, 0, value) for at, value in enumerate(values)),
                (_RETURN, 0, 0, _ALLOW),
                (_RETURN, 0, 0, _NOTIFY),
            ]
            continue
        code += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _NOTIFY)]
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def install(numbers: Collection[int]) -> int:
    """Put this process, all its threads and all their children under the filter; gives the listener's descriptor.

    There is no way back, and nothing that the process holds is undone. It needs no privilege: the process gives up
    gaining any by exec first. Raises CannotDo, saying why, where the kernel or a sandbox does not allow it.
    """
    machine = this_machine()
    try:
        return ckptrace_arming.install(SECCOMP[machine], program(machine, numbers))
    except ckptrace_arming.CannotArm as refusal:
        raise CannotDo(str(refusal)) from refusal


@cache
def why_not() -> str | None:
    """Why system calls cannot be held here; None where they can.

    Tried in a process of its own, since nothing takes a filter off.
    """
    try:
        this_machine()
    except CannotDo as refusal:
        return str(refusal)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            install([max(signatures())])
            os.write(writer, b"yes")
        except CannotDo as refusal:
            os.write(writer, str(refusal).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return None if said == "yes" else said or "system calls cannot be held here: the process that tried to has died"


def this_machine() -> str:
    """The machine's name. Raises CannotDo where its system calls are not known, or the system is not Linux."""
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in SECCOMP:
        raise CannotDo(f"system calls cannot be held on {platform.system()} {machine}: Linux on x86_64 or aarch64 can")
    return machine


"""The number of seccomp(2) itself."""
