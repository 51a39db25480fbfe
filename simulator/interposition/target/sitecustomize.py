"""Found by Python at its start: arms the process, then lets a ``sitecustomize`` of the program's own run."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))


def _own() -> None:
    """The ``sitecustomize`` that would have been found without this one."""
    elsewhere = [path for path in sys.path if os.path.abspath(path or ".") != _HERE]
    found = importlib.machinery.PathFinder.find_spec("sitecustomize", elsewhere)
    if found is not None and found.loader is not None:
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)


_own()
if os.environ.get("CKPTRACE_CHANNEL"):
    import ckptrace_arming

    ckptrace_arming.begin()
