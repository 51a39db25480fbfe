"""Which source files are worth naming: not the standard library's, so not those of a program's own ``open`` either."""

from __future__ import annotations

_PACKAGES = ("/site-packages/", "/dist-packages/")
"""They may lie inside the directory of the standard library."""


def is_shown(file: str, library: tuple[str, ...]) -> bool:
    """Whether a file is neither made up, as of generated code, nor in one of these directories."""
    return not file.startswith("<") and (
        any(packages in file for packages in _PACKAGES) or not file.startswith(tuple(each + "/" for each in library))
    )
