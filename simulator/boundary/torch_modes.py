"""Torch's modes of a thread (no gradients, inference): the ranks of one process share the thread, not the modes.

Saves and collectives are often done inside ``torch.no_grad()``. Another rank that goes on meanwhile would compute
without gradients, and the order in which they leave would decide what is left.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial


def set_aside() -> Callable[[], object] | None:
    """Leave the modes that the rank is in, if any; what is given enters them again."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "inference_mode"):
        return None
    if torch.is_inference_mode_enabled():
        mode = torch.inference_mode(mode=False)
        mode.__enter__()
        return partial(mode.__exit__, None, None, None)
    if not torch.is_grad_enabled():
        torch._C._set_grad_enabled(True)
        return partial(torch._C._set_grad_enabled, False)
    return None
