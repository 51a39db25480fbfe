"""Whether this kernel lets a process hold the system calls of another; else the tests are skipped with the reason."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest

from simulator.errors import CannotDo
from simulator.interposition.filter import install
from simulator.interposition.system_calls import signatures


def _why_not() -> str | None:
    """Asked in a process of its own, since nothing takes a filter off."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            try:
                install([max(signatures())])
                os.write(writer, b"yes")
            except CannotDo as refusal:
                os.write(writer, str(refusal).encode())
        os._exit(0)
    os.close(writer)
    said = os.read(reader, 4096).decode()
    os.close(reader)
    os.waitpid(child, 0)
    return None if said == "yes" else said


_REASON = _why_not()
holds = pytest.mark.skipif(_REASON is not None, reason=str(_REASON))
