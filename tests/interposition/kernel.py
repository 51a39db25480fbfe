"""Whether this kernel lets a process hold the system calls of another; else the tests are skipped with the reason."""

from __future__ import annotations

import pytest

from simulator.interposition.filter import why_not

_REASON = why_not()
holds = pytest.mark.skipif(_REASON is not None, reason=str(_REASON))
