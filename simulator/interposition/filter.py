"""The filter that makes a process stop at the system calls that are held: a program for seccomp(2), by hand.

Classic BPF, linux/bpf_common.h and linux/filter.h. Calls made for another machine's ABI (32-bit code on x86-64, x32)
are refused with ENOSYS, since their numbers mean other calls.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Collection
from typing import Final

from simulator.errors import CannotDo
from simulator.interposition.system_calls import AUDIT_ARCHITECTURES

_LOAD_WORD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06

_ALLOW: Final = 0x7FFF0000
_NOTIFY: Final = 0x7FC00000
_ERROR: Final = 0x00050000

_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
"""Offsets in ``struct seccomp_data``."""

_X32: Final = 0x40000000

_PR_SET_NO_NEW_PRIVS: Final = 38
_SET_MODE_FILTER: Final = 1
_TSYNC: Final = 1
_NEW_LISTENER: Final = 8
_TSYNC_ESRCH: Final = 16
_WAIT_KILLABLE_RECV: Final = 32
_SECCOMP: Final = {"x86_64": 317, "aarch64": 277}


def program(machine: str, numbers: Collection[int]) -> bytes:
    """The filter's instructions, ``struct sock_filter`` each: notify at these numbers, allow all others."""
    refused = _ERROR | errno.ENOSYS
    code = [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_IF_EQUAL, 1, 0, AUDIT_ARCHITECTURES[machine]),
        (_RETURN, 0, 0, refused),
        (_LOAD_WORD, 0, 0, _NUMBER_AT),
    ]
    if machine == "x86_64":
        code += [(_JUMP_IF_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, refused)]
    for number in sorted(numbers):
        code += [(_JUMP_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _NOTIFY)]
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def install(numbers: Collection[int]) -> int:
    """Put this process, all its threads and all their children under the filter; gives the listener's descriptor.

    There is no way back, and nothing that the process holds is undone. It needs no privilege: the process gives up
    gaining any by exec first. Raises CannotDo, saying why, where the kernel or a sandbox does not allow it.
    """
    machine = platform.machine()
    if machine not in _SECCOMP:
        raise CannotDo(f"system calls cannot be held on {machine}: known are {', '.join(sorted(_SECCOMP))}")
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise CannotDo(_refusal("prctl(PR_SET_NO_NEW_PRIVS)"))
    code = program(machine, numbers)
    instructions = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    flags = _NEW_LISTENER | _TSYNC | _TSYNC_ESRCH
    # A signal must not make a held call start anew; kernels before 5.19 do not know the flag.
    for more in (_WAIT_KILLABLE_RECV, 0):
        listener = library.syscall(_SECCOMP[machine], _SET_MODE_FILTER, flags | more, header)
        if listener >= 0:
            return int(listener)
        if ctypes.get_errno() != errno.EINVAL:
            break
    raise CannotDo(_refusal("seccomp(SECCOMP_SET_MODE_FILTER)"))


def _refusal(call: str) -> str:
    number = ctypes.get_errno()
    reason = {
        errno.EBUSY: "another supervisor holds the calls of this process already",
        errno.ESRCH: "a thread of this process is under another filter",
    }.get(number, os.strerror(number))
    return f"system calls cannot be held here: {call}: {reason}"
