"""File systems by the name of their profile, as scenarios and the command line name them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.errors import UsageError
from simulator.filesystems.posix.model import PosixModel


def _pyfakefs() -> Any:
    from simulator.filesystems.pyfakefs import PyfakefsFilesystem

    return PyfakefsFilesystem()


_PROFILES: dict[str, Callable[[], Any]] = {"local": PosixModel, "shared": PosixModel, "pyfakefs": _pyfakefs}


def by_profile(name: str) -> Any:
    """An empty file system of a profile. Raises UsageError for an unknown name.

    ``local``: the disk of one machine. ``shared``: one strongly consistent tree for all nodes. Both are the POSIX
    model; they differ only once nodes have views of their own. ``pyfakefs``: another implementation, as a witness.
    """
    maker = _PROFILES.get(name)
    if maker is None:
        raise UsageError(f"filesystem.profile: unknown profile {name!r}; known are {', '.join(sorted(_PROFILES))}")
    return maker()
