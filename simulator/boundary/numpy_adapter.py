"""``numpy``: save and load of arrays, which hand the descriptor of a real file to C.

``numpy.save`` and ``load`` ask ``isfileobj`` and fall back to the file's own ``read`` and ``write`` when it says no.
``ndarray.tofile`` and ``numpy.fromfile`` know no such way: on a simulated file they raise OSError.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from simulator.boundary.caller import Caller
from simulator.boundary.calls import Simulated
from simulator.boundary.dispatch import original_of
from simulator.boundary.raw_file import is_simulated


def is_real_file(caller: Caller, f: Any) -> bool:
    """As ``isfileobj``: whether C may use the file's descriptor. Not one of a simulated file."""
    if is_simulated(f):
        return False
    name = "numpy.lib._format_impl" if "numpy.lib._format_impl" in sys.modules else "numpy.lib.format"
    return bool(original_of(sys.modules[name].isfileobj)(f))


FUNCTIONS: Final[dict[str, Simulated]] = {
    "numpy.lib._format_impl:isfileobj": is_real_file,
    "numpy.lib.format:isfileobj": is_real_file,
}
