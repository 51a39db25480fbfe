"""What ranks say on the way, thousands of times: each warning is shown once, and pytest records no logging."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def quiet() -> Iterator[None]:
    """While schedules are explored. Warnings that are errors stay errors, in the rank that warns."""
    handlers = [handler for handler in logging.getLogger().handlers if type(handler).__module__ == "_pytest.logging"]
    warned: dict[tuple[type[Warning], str, str, int], Warning | str] = {}

    def keep(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        warned.setdefault((category, str(message), filename, lineno), message)

    for handler in handlers:
        handler.addFilter(_nothing)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = keep
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(_nothing)
        for (category, _, filename, lineno), message in warned.items():
            warnings.warn_explicit(message, category, filename, lineno)


def _nothing(record: logging.LogRecord) -> bool:
    return False
