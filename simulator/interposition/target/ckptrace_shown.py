"""Which source file of a stack is worth naming: that of the code under test, whether it is installed or not.

The innermost one is, except for the standard library's, and for those of packages that only carry out what others ask
them to: of ``torch.save`` the line that calls it says more than the one inside. Where there is none, theirs is.
"""

from __future__ import annotations

import os

_PACKAGES = ("/site-packages/", "/dist-packages/")
"""They may lie inside the directory of the standard library, and what is in them is not part of it."""
_SERVING = frozenset(
    {"aiofiles", "anyio", "etils", "filelock", "fsspec", "h5py", "huggingface_hub", "msgpack", "numpy", "pandas"}
    | {"pluggy", "pyarrow", "safetensors", "simplejson", "tensorstore", "torch", "tqdm", "yaml", "zarr"}
)
"""Packages that write files for others."""

HIDDEN, SERVING, SHOWN = 0, 1, 2


def worth(file: str, library: tuple[str, ...]) -> int:
    """HIDDEN: made up, as of generated code, or in one of these directories. SERVING: to be named failing others."""
    if file.startswith("<"):
        return HIDDEN
    for each in library:
        if file.startswith(each + "/") and not file.startswith(_PACKAGES, len(each)):
            return HIDDEN
    for packages in _PACKAGES:
        _, inside, name = file.rpartition(packages)
        if inside and os.path.splitext(name.partition("/")[0])[0] in _SERVING:
            return SERVING
    return SHOWN


def is_installed(file: str) -> bool:
    """Whether a source file is one of an installed package."""
    return any(packages in file for packages in _PACKAGES)
